import pytest

from app.errors import BadRequest
from app.wishes import HEARTBEAT, TIMEOUT, heartbeat_seconds, timeout_seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"20", 20), (b"0.30000000000000004", 0.3), (b"86400", 86400)]
)
def test_a_timeout_is_a_number_of_seconds(value, seconds):
    assert timeout_seconds({TIMEOUT: value}) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [b"", b"0", b"-1", b"+1", b"1_0", b"1e3", b"nan", b"inf", b" 5", b"86400.5", b"\xb2"]
)
def test_what_is_no_number_of_seconds_is_refused(value):
    with pytest.raises(BadRequest):
        timeout_seconds({TIMEOUT: value})


def test_a_heartbeat_of_0_is_none_at_all():
    assert heartbeat_seconds({HEARTBEAT: b"0"}) == 0
    with pytest.raises(BadRequest):
        heartbeat_seconds({HEARTBEAT: b"1_0"})

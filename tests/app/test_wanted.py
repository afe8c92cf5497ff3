"""What is told of a key, whatever numbers its row holds."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.keys.wanted import MOST_GRACE_SECONDS, WantedKey, grace_seconds, moment, told
from app.store.keys import StoredKey

moments = st.floats(allow_nan=False)


@given(moments, moments, moments, moments)
def test_every_number_that_a_row_may_hold_is_told(created, expires, revoked, until):
    key = StoredKey(
        "a", "", created, expires_at=expires, revoked_at=revoked, previous_digest="", previous_until=until
    )

    assert json.dumps(told(key, 0.0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1_900_000_000.9, "2030-03-17T17:46:40Z"),
        (1e300, "9999-12-31T23:59:59Z"),
        (math.inf, "9999-12-31T23:59:59Z"),
        (-math.inf, "0001-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_written_in_whole_seconds_and_within_the_calendar(seconds, text):
    assert moment(seconds) == text


def test_a_replaced_key_counts_for_thirty_days_at_most():
    assert grace_seconds("30d") == MOST_GRACE_SECONDS
    with pytest.raises(ValueError, match="at most 30d"):
        grace_seconds("31d")


@pytest.mark.parametrize("id", ["eph", "eph-1"])
def test_the_name_of_short_lived_keys_is_no_id(id):  # noqa: A002
    with pytest.raises(ValidationError, match="stands for short-lived keys"):
        WantedKey(id=id)
    assert WantedKey(id=id.replace("eph", "ephemeral")).id

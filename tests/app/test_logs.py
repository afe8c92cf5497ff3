"""What the log lets through: no key of ours or others, no password, whoever writes it and however."""

import json
import logging
import subprocess
import sys
import time
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys.grants import Grant, Signer
from app.keys.wanted import new_key
from app.logs import REDACTED, JsonLines

KEY = new_key("frontend")[0]
EPHEMERAL = Signer(b"secret").write(Grant(parent="a", proof="b" * 24, id="c" * 12, until=2_000_000_000))


def line(message: object, *values: object, error: BaseException | None = None) -> str:
    """The line that a library's record becomes."""
    trace = None if error is None else (type(error), error, error.__traceback__)
    return JsonLines(["known-credential"]).format(
        logging.LogRecord("library", logging.ERROR, "", 0, message, values, trace)
    )


@pytest.mark.parametrize("key", [KEY, EPHEMERAL], ids=["kept", "short-lived"])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "Bearer {}",
        "Authorization: Bearer {}",
        "GET /v1?key={}&x=1",
        "Bearer%20{}",
        "x_{}",
        '{{"authorization": "Bearer {}"}}',
        "(b'x-api-key', b'{}')",
        "KeyError('{}')",
        "key={}\nnext line",
    ],
)
def test_our_keys_are_struck_out_in_whatever_they_stand(key, text):
    written = line(text.format(key))

    assert REDACTED in written
    assert key not in written
    assert key[-16:] not in written


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Error 111 connecting to redis://user:pass-word-1@host:6379/0.", "pass-word-1"),
        ("redis://:pass-word-1@host", "pass-word-1"),
        ("rediss+sentinel://u:pass-word-1@a:1,b:2/name", "pass-word-1"),
        ("postgresql://u:pa/ss-word@1@host/name", "ss-word"),
        ("https://pass-word-1@host/x", "pass-word-1"),
        ("postgresql://host/name?user=u&password=pass-word-1", "pass-word-1"),
        ("host=db password=pass-word-1 user=u", "pass-word-1"),
        ("{'password': 'pass-word-1'}", "pass-word-1"),
        ('{"api_key": "pass-word-1"}', "pass-word-1"),
        ("[(b'authorization', b'Basic pass-word-1')]", "pass-word-1"),
        ("authorization: Bearer abc", "abc"),
        ("x-api-key: pass-word-1", "pass-word-1"),
        ("sk-proj-0123456789abcdef", "0123456789abcdef"),
        ("value %20sk-0123456789abcdef", "0123456789abcdef"),
        ("what is known-credential here", "known-credential"),
    ],
)
def test_passwords_and_keys_of_others_are_struck_out(text, secret):
    written = line(text)

    assert REDACTED in written
    assert secret not in written


@pytest.mark.parametrize(
    "text",
    [
        "connection to http://127.0.0.1:8000/v1 was lost",
        "worker 12 died and is replaced",
        "the disk-cache-directory is full, max_tokens=500",
        "GET /v1/models HTTP/1.1",
        "the secret of a good log is that it can be read",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text):
    assert json.loads(line(text))["message"] == text


def test_an_exception_that_carries_a_key_in_its_arguments_is_cleaned_with_its_causes():
    error = ConnectionError(f"redis://user:pass-word-1@host said {EPHEMERAL}", {"k": KEY})
    error.__cause__ = KeyError(KEY)
    written = line("it failed: %s", error, error=error)
    whole = "".join(traceback.format_exception(error))

    assert KEY in whole
    for secret in (KEY, EPHEMERAL, "pass-word-1"):
        assert secret not in written
    assert "ConnectionError" in written


def test_a_record_whose_values_do_not_fit_is_written_as_its_text():
    assert json.loads(line("%d things", "no number", KEY))["message"] == "%d things"
    assert json.loads(line("%s and %s", "one"))["message"] == "%s and %s"
    assert KEY not in line({"authorization": KEY, "more": [KEY]})


@given(before=st.text(max_size=20), after=st.text(alphabet=" \n\t\"',;)}]&<>", max_size=5))
def test_no_surroundings_hide_a_key(before, after):
    assert KEY not in json.loads(line("%s", f"{before}{KEY}{after}"))["message"]
    assert EPHEMERAL[-40:] not in json.loads(line("%s", f"{before}{EPHEMERAL}{after}"))["message"]


def test_what_the_standard_library_logs_of_itself_passes_the_same_place(tmp_path):
    program = (
        "import logging, asyncio, sys\n"
        "from pathlib import Path\n"
        "from app import logs\n"
        "logs.set_up('info', Path(sys.argv[1]), ())\n"
        f"async def fail(): raise RuntimeError('{KEY}')\n"
        "async def main():\n"
        "    task = asyncio.ensure_future(fail())\n"
        "    await asyncio.sleep(0.01)\n"
        "    del task\n"
        "    import gc; gc.collect()\n"
        "asyncio.run(main())\n"
        f"logging.getLogger('uvicorn.error').error('%s', '{KEY}')\n"
        f"logging.getLogger('sqlalchemy').info('postgresql://u:pass-word-1@h', extra={{'key': '{KEY}'}})\n"
        "logging.shutdown()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log")], capture_output=True, text=True, check=True
    )

    written = (tmp_path / "log").read_text("utf-8")
    assert written.count(REDACTED) >= 3
    for secret in (KEY, "pass-word-1"):
        assert secret not in written + done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "://" + ":" * 65_536,
        "://a:" * 13_000,
        "://" * 22_000,
        "://" + "a" * 65_536,
        "Bearer" + "+" * 65_536,
        "Bearer" + " " * 65_536,
        "password" + " " * 65_536,
        "password= Basic" + " " * 65_536,
        "password' " * 6_500,
        "authorization" * 5_000,
        "hb-" * 22_000,
    ],
    ids=lambda text: text[:16],
)
def test_the_time_for_a_long_text_is_in_step_with_its_length(text):
    begin = time.process_time()
    line("%s", text)

    assert time.process_time() - begin < 3.0


def test_a_short_secret_is_not_struck_out_of_ordinary_words():
    cleaned = JsonLines(["a", "main", "secret-1", "secret-1-and-more"])
    record = logging.LogRecord("library", logging.ERROR, "", 0, "a main road, secret-1-and-more", (), None)

    assert json.loads(cleaned.format(record))["message"] == f"a main road, {REDACTED}"

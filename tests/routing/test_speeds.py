import pytest

from app.contracts import Route
from app.journal import Attempt, Record
from app.operations import CHAT
from app.routing.kept import Choice, Kept
from app.routing.speed import Speed
from app.speeds import Speeds
from app.usage import Usage

ROUTE = Route("up", "model", "alias", "configured")


def known(speeds: Speeds) -> Speed:
    speed = speeds.of(ROUTE)
    assert speed is not None
    return speed


def record(first: float, rate: float, *, tokens: int = 100, outcome: str = "ok") -> Record:
    """A stream whose first content came after so many seconds, and its tokens at this rate."""
    attempt = Attempt(ROUTE, "first")
    attempt.sent_at, attempt.first_content = 10.0, 10.0 + first
    attempt.ended = attempt.first_content + tokens / rate
    attempt.outcome, attempt.usage = outcome, Usage(10, tokens)
    made = Record("id", CHAT, 10.0)
    made.streams, made.attempts = True, [attempt]
    return made


def test_the_first_answer_says_how_fast_a_model_is():
    speeds = Speeds()
    speeds.read(record(0.5, 50.0))
    speed = known(speeds)

    assert speed.first_seconds == pytest.approx(0.5)
    assert speed.tokens_a_second == pytest.approx(50.0)
    assert speed.seconds(100) == pytest.approx(2.5)


def test_newer_answers_weigh_more():
    speeds = Speeds()
    for _ in range(20):
        speeds.read(record(0.5, 50.0))
    for _ in range(20):
        speeds.read(record(1.0, 10.0))
    speed = known(speeds)

    assert speed.first_seconds == pytest.approx(1.0, abs=0.05)
    assert speed.tokens_a_second == pytest.approx(10.0, abs=1)


def test_a_failed_answer_says_nothing_and_a_short_one_no_rate():
    speeds = Speeds()
    speeds.read(record(0.5, 50.0, outcome="upstream_broken"))
    assert speeds.of(ROUTE) is None

    speeds.read(record(0.5, 50.0, tokens=3))
    assert known(speeds).tokens_a_second == 0


def test_a_plain_answer_says_how_fast_all_of_it_was_and_nothing_of_its_beginning():
    speeds = Speeds()
    plain = record(10.0, 1e9, tokens=500)
    plain.streams = False
    speeds.read(plain)
    assert known(speeds).seconds(500) == pytest.approx(10.0)

    for _ in range(20):
        speeds.read(record(0.5, 50.0))
        speeds.read(plain)
    assert known(speeds).first_seconds == pytest.approx(0.5)
    assert known(speeds).seconds(500) == pytest.approx(10.5, abs=0.2)


def test_an_answer_without_tokens_says_nothing():
    speeds = Speeds()
    vectors = record(0.1, 1.0, tokens=0)
    vectors.streams = False
    speeds.read(vectors)

    assert speeds.of(ROUTE) is None


def test_only_the_conversations_heard_of_last_are_kept():
    kept = Kept(most=2)
    for name in ("a", "b"):
        kept.keep(name, Choice("code", "up", name))
    kept.keep("a", Choice("deep", "up", "a"))
    kept.keep("c", Choice("", "up", "c"))

    assert kept.of("a") == Choice("deep", "up", "a")
    assert kept.of("b") is None
    assert kept.of("c") == Choice("", "up", "c")


def test_what_has_no_name_is_not_kept():
    kept = Kept()
    kept.keep("", Choice("code", "up", "x"))

    assert kept.of("") is None

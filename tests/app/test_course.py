"""Where attempts go: bounded whatever fails, each route at most as often as it may be."""

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts import Plan, Policy, Route
from app.course import LONGEST_PAUSE_SECONDS, Course, Step
from app.errors import (
    ContentFiltered,
    ContextTooLong,
    Failure,
    UpstreamBroken,
    UpstreamLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.outcomes import TABLE, meaning


def routes(count: int) -> list[Route]:
    return [Route(f"up{number}", "m", "alias", "configured") for number in range(count)]


def made_of(kind: type[Failure]) -> Failure:
    return kind(400, "no") if issubclass(kind, UpstreamRefused) else kind("no")


@dataclass(frozen=True)
class Asking:
    continuing: bool = False
    prefilled: bool = False


def after(course: Course, failure: Failure, *, made: int = 1, asking: Asking = Asking()) -> Step:
    return course.after(failure, made, 0.0, lambda: True, asking)


@given(
    st.lists(st.sampled_from(list(TABLE)), min_size=40, max_size=40),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 8),
    st.booleans(),
)
def test_attempts_are_bounded_whatever_fails(kinds, count, retries, attempts, continuing):
    plan = Plan(routes(count), Policy(retries=retries, attempts=attempts))
    course = Course(plan, deadline=1000.0)
    asked = Counter([course.route.upstream])
    for made, kind in enumerate(kinds, 1):
        try:
            step = after(course, made_of(kind), made=made, asking=Asking(continuing))
        except Failure:
            break
        assert step.pause_seconds <= LONGEST_PAUSE_SECONDS
        if not continuing:
            assert meaning(made_of(kind)).retries or step.kind == "fallback"
        asked[course.route.upstream] += 1

    assert asked.total() <= attempts
    assert max(asked.values()) <= retries + 1 + continuing
    assert list(asked) == sorted(asked)


@pytest.mark.parametrize("kind", [UpstreamRefused, ContentFiltered])
def test_an_answer_to_the_client_is_told_and_not_routed_around(kind):
    course = Course(Plan(routes(3)), deadline=10.0)

    with pytest.raises(kind):
        after(course, made_of(kind))


def test_that_the_prompt_is_too_long_is_told_before_what_came_later():
    course = Course(Plan(routes(2), Policy(retries=0)), deadline=10.0)
    after(course, made_of(ContextTooLong))

    with pytest.raises(ContextTooLong):
        after(course, UpstreamBroken("down"), made=2)


def test_an_attempt_is_kept_for_each_route_behind():
    course = Course(Plan(routes(3), Policy(retries=5, attempts=4)), deadline=100.0)

    kinds = [after(course, UpstreamBroken("down"), made=made).kind for made in (1, 2, 3)]
    assert kinds == ["retry", "fallback", "fallback"]


def test_nothing_is_begun_at_the_deadline():
    course = Course(Plan(routes(2)), deadline=0.01)

    with pytest.raises(UpstreamBroken):
        after(course, UpstreamBroken("down"))


def test_without_a_retry_in_the_budget_the_next_route_is_taken():
    course = Course(Plan(routes(2)), deadline=10.0)

    assert course.after(UpstreamBroken("down"), 1, 0.0, lambda: False, Asking()) == Step("fallback")


def test_a_pause_that_would_pass_the_deadline_is_not_waited_for():
    course = Course(Plan(routes(1)), deadline=1.5)
    limited = UpstreamLimited("slow down", headers={"retry-after": "2"})

    with pytest.raises(UpstreamLimited):
        after(course, limited)


def test_another_replica_is_asked_at_once_even_after_silence():
    failure = UpstreamTimeout("silent")
    failure.elsewhere, failure.where = True, "http://one"
    course = Course(Plan(routes(2)), deadline=10.0)

    assert after(course, failure) == Step("retry")
    assert course.tried == {"http://one"}


def test_an_open_circuit_is_not_waited_for_where_another_route_stands_by():
    failure = UpstreamUnavailable("open", headers={"retry-after": "1"})
    failure.blameless = True

    assert after(Course(Plan(routes(2)), deadline=10.0), failure) == Step("fallback")
    assert after(Course(Plan(routes(1)), deadline=10.0), failure).pause_seconds >= 1


def test_a_silent_route_has_half_of_the_time_while_others_stand_by():
    course = Course(Plan(routes(2)), deadline=10.0)
    assert course.patience(2.0) == 6.0

    after(course, UpstreamTimeout("silent"))
    assert course.patience(6.0) == 10.0


def test_a_continuation_that_is_refused_is_put_in_another_way_before_the_route_is_left():
    course = Course(Plan(routes(2)), deadline=10.0)
    prefilled, told = Asking(continuing=True, prefilled=True), Asking(continuing=True)

    assert after(course, UpstreamRefused(400, "no"), asking=prefilled) == Step("retry")
    assert after(course, UpstreamRefused(400, "no"), made=2, asking=told) == Step("fallback")


def test_a_filter_is_not_routed_around_in_a_continuation_either():
    course = Course(Plan(routes(2)), deadline=10.0)

    with pytest.raises(ContentFiltered):
        after(course, made_of(ContentFiltered), asking=Asking(continuing=True, prefilled=True))


def test_a_hedge_goes_to_a_route_that_is_taken_for_silence():
    first, long, other = routes(3)
    long = replace(long, when=frozenset({"context_length"}))

    assert Course(Plan([first, long, other]), deadline=10.0).other is other
    assert Course(Plan([first, long]), deadline=10.0).other is first

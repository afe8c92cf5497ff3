import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fleet.choice import (
    AWAY,
    BoundedHash,
    LeastLoaded,
    LMetric,
    PolicyName,
    PowerOfTwo,
    RoundRobin,
    policy_of,
)
from app.fleet.prefixes import Blocks, Prefixes, cut
from app.fleet.replica import Asked, Costs, Replica
from app.fleet.residency import Residency

PROMPT = cut([b"x" * 4096], "", "")


def seats(count: int, *, max_loras: int = 2, kept: int = 4) -> list[Replica]:
    return [Replica(f"r{place}", place, Residency(max_loras, kept), max_loras) for place in range(count)]


def chosen(asked: Asked, replicas: Sequence[Replica], prefixes: Prefixes | None = None) -> str:
    return LMetric(prefixes or Prefixes()).choose(asked, replicas, 0.0).replica.name


def test_the_replica_that_has_read_the_prompt_before_is_chosen():
    prefixes = Prefixes()
    prefixes.note(1, PROMPT)
    assert chosen(Asked("", PROMPT), seats(3), prefixes) == "r1"


def test_a_cached_prompt_is_no_reason_to_wait_behind_many():
    prefixes, replicas = Prefixes(), seats(2)
    prefixes.note(1, cut([b"x" * 2048], "", ""))
    for _ in range(3):
        replicas[1].begin(Asked("", PROMPT), 0, 0.0)
    assert chosen(Asked("", PROMPT), replicas, prefixes) == "r0"


@pytest.mark.parametrize(("used", "level"), [((), "disk"), (("a", "b", "c"), "cpu"), (("a",), "gpu")])
def test_where_the_adapter_is_decides_by_what_loading_it_takes(used, level):
    replicas = seats(2)
    for name in used:
        replicas[1].residency.use(name)
    choice = LMetric(Prefixes()).choose(Asked("a", PROMPT), replicas, 0.0)
    assert choice.replica.name == ("r0" if level == "disk" else "r1")
    assert choice.level == level


def test_a_slot_that_is_taken_costs_the_time_until_it_is_free():
    replicas = seats(2, max_loras=1)
    replicas[0].begin(Asked("b", PROMPT), 0, 0.0)
    replicas[1].residency.use("b")
    assert chosen(Asked("a", PROMPT), replicas) == "r1"


def test_memory_that_runs_short_weighs_and_full_memory_is_no_choice():
    replicas = seats(3)
    replicas[0].told(0.9, 0)
    replicas[1].told(0.96, 0)
    assert chosen(Asked("", PROMPT), replicas) == "r2"
    assert chosen(Asked("", PROMPT), replicas[:2]) == "r0"
    assert chosen(Asked("", PROMPT), [replicas[1]]) == "r1"


def test_among_equals_the_first_is_chosen():
    assert chosen(Asked("a", PROMPT), [*reversed(seats(3))]) == "r2"


def test_a_call_leaves_its_home_only_where_that_is_much_worse():
    replicas = seats(2)
    for replica in replicas:
        replica.residency.use("a")
    for _ in range(int(AWAY) - 2):
        replicas[0].told(0.0, replicas[0].others + 1)
    assert chosen(Asked("a", PROMPT, homes=1), replicas) == "r0"
    replicas[0].told(0.0, 2 * int(AWAY))
    assert chosen(Asked("a", PROMPT, homes=1), replicas) == "r1"


calls = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(0, 3)), max_size=30)


@given(calls)
def test_the_score_is_the_formula(sent):
    replicas, prefixes = seats(4), Prefixes()
    for adapter, place in sent:
        replicas[place].begin(Asked(adapter, PROMPT), 0, 0.0)
    asked = Asked("a", PROMPT)

    def score(replica: Replica) -> float:
        costs: Costs = replica.costs
        seconds = 0.0
        if "a" not in replica.busy:
            seconds = {"gpu": 0.0, "cpu": costs.memory_seconds, "disk": costs.disk_seconds}[
                replica.residency.level("a")
            ]
            if len(replica.busy) >= replica.max_loras:
                seconds += costs.service_seconds
        tokens = replica.pending_tokens + PROMPT.tokens + seconds * costs.prefill_tokens_per_second
        return tokens * (replica.in_flight + 1)

    choice = LMetric(prefixes).choose(asked, replicas, 0.0)
    assert choice.score == pytest.approx(min(map(score, replicas)))
    assert score(choice.replica) == pytest.approx(choice.score)


@pytest.mark.parametrize("name", ["lmetric", "least_loaded", "power_of_two", "round_robin", "bounded_hash"])
@given(picks=calls)
def test_every_policy_chooses_one_of_the_candidates(name: PolicyName, picks):
    policy, replicas = policy_of(name, Prefixes()), seats(4)
    for adapter, place in picks:
        some = replicas[place:]
        choice = policy.choose(Asked(adapter, PROMPT), some, 0.0)
        assert choice.replica in some
        choice.replica.begin(Asked(adapter, PROMPT), 0, 0.0)


def test_round_robin_takes_turns():
    policy, replicas = RoundRobin(), seats(3)
    names = [policy.choose(Asked(), replicas, 0.0).replica.name for _ in range(6)]
    assert sorted(names[:3]) == sorted(names[3:]) == ["r0", "r1", "r2"]


def test_the_less_loaded_of_two_is_chosen():
    replicas = seats(2)
    replicas[0].begin(Asked(), 0, 0.0)
    assert PowerOfTwo(random.Random(1)).choose(Asked(), replicas, 0.0).replica.name == "r1"
    assert LeastLoaded().choose(Asked(), replicas, 0.0).replica.name == "r1"


def test_an_adapter_has_its_place_on_the_ring_until_that_is_too_full():
    policy, replicas = BoundedHash(), seats(4)
    home = policy.choose(Asked("a"), replicas, 0.0).replica
    assert policy.choose(Asked("a"), replicas, 0.0).replica is home
    for _ in range(3):
        home.begin(Asked("a"), 0, 0.0)
    assert policy.choose(Asked("a"), replicas, 0.0).replica is not home


def test_a_ring_that_lost_a_replica_moves_only_what_was_there():
    policy, replicas = BoundedHash(bound=1e9), seats(5)
    names = [f"adapter-{number}" for number in range(200)]
    before = {name: policy.choose(Asked(name), replicas, 0.0).replica.name for name in names}
    after = {name: policy.choose(Asked(name), replicas[:4], 0.0).replica.name for name in names}
    assert {name for name in names if before[name] != after[name]} == {
        name for name in names if before[name] == "r4"
    }


@given(st.lists(st.booleans(), max_size=40))
def test_what_a_replica_has_to_do_is_nothing_again_when_all_has_ended(answers):
    (replica,) = seats(1)
    asked = Asked("a", Blocks((), (), 100))
    sent = [replica.begin(asked, 0, 0.0) for _ in answers]
    for each, answered in zip(sent, answers, strict=True):
        if answered:
            replica.answered(each, 1.0)
            replica.answered(each, 2.0)
        replica.end(each, 3.0)
    assert (replica.in_flight, replica.pending_tokens, replica.busy, replica.crowd) == (0, 0, {}, 1.0)


def test_the_speed_of_reading_is_learned_from_calls_that_waited_for_nothing():
    (replica,) = seats(1)
    replica.residency.use("a")
    sent = replica.begin(Asked("a", Blocks((), (), 1000)), 0, 0.0)
    replica.answered(sent, 0.1)
    assert replica.costs.prefill_tokens_per_second == pytest.approx(0.8 * 5000 + 0.2 * 10_000)

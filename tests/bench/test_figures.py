import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import FIGURES, Figure
from bench.measuring import percentile
from bench.series import rotated
from tests.bench.runs import START, results, sample

MS = 1_000_000


def figure(title: str) -> Figure:
    return next(each for each in FIGURES if each.title == title)


CPU = figure("CPU per request, ms")
START_SECONDS = figure("start to first answer, s")
ADDED = figure("added latency at 50 requests/s, p50, ms")


def test_cpu_per_request_is_the_median_of_the_repetitions():
    run = results(
        *(sample("gateway", repetition=n, cpu_ns=cpu * MS) for n, cpu in enumerate([100, 900, 200]))
    )
    assert CPU.value(run, "gateway") == pytest.approx(0.2)


def test_cpu_per_chunk_counts_chunks_not_answers():
    run = results(sample("gateway", "slow", requests=10, chunks=640, cpu_ns=64 * MS))
    assert figure("CPU per chunk of slow streams, us").value(run, "gateway") == pytest.approx(100)


def test_a_ratio_compares_what_ran_in_the_same_repetition():
    """The machine was ten times slower in the second repetition: that is no difference between the targets."""
    run = results(
        sample("gateway", repetition=0, cpu_ns=10 * MS),
        sample("litellm", repetition=0, cpu_ns=1000 * MS),
        sample("gateway", repetition=1, cpu_ns=100 * MS),
        sample("litellm", repetition=1, cpu_ns=10_000 * MS),
    )
    assert CPU.ratio(run, "litellm") == pytest.approx(1 / 100)


def test_a_sample_with_a_fault_does_not_count():
    run = results(
        sample("gateway", repetition=0, cpu_ns=1 * MS, faults={"status 500": 3}),
        sample("gateway", repetition=1, cpu_ns=200 * MS),
        sample("litellm", repetition=0),
        sample("litellm", repetition=1, cpu_ns=400 * MS),
    )
    assert CPU.value(run, "gateway") == pytest.approx(0.2)
    assert CPU.ratio(run, "litellm") == pytest.approx(0.5)


def test_what_was_not_measured_has_no_figure_and_no_verdict():
    run = results(sample("direct", cpu_ns=None))
    assert CPU.value(run, "direct") is None
    assert CPU.value(run, "gateway") is None
    assert CPU.ratio(run, "litellm") is None
    assert CPU.meets(run) is None
    assert START_SECONDS.meets(run) is None


def test_added_latency_is_what_the_gateway_takes_beyond_the_upstream():
    run = results(sample("direct", "paced", p50_ms=0.3), sample("gateway", "paced", p50_ms=1.1))
    assert ADDED.value(run, "gateway") == pytest.approx(0.8)


@pytest.mark.parametrize(("ours", "met"), [(50, True), (51, False)])
def test_a_goal_beside_a_peer_is_met_up_to_its_bound(ours, met):
    run = results(sample("gateway", cpu_ns=ours * MS), sample("litellm", cpu_ns=1000 * MS))
    assert CPU.meets(run) is met


@pytest.mark.parametrize(("seconds", "met"), [(2.0, True), (2.1, False)])
def test_a_goal_of_our_own_is_met_up_to_its_bound(seconds, met):
    run = results(sample("gateway"), starts=[type(START)("gateway", 0, seconds, 1, 1)])
    assert START_SECONDS.meets(run) is met


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values, share):
    found = percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


@given(st.lists(st.integers(), min_size=1, unique=True))
def test_every_target_comes_first_once_in_a_full_turn(targets):
    firsts = [rotated(targets, turn)[0] for turn in range(len(targets))]
    assert sorted(firsts) == sorted(targets)
    assert all(sorted(rotated(targets, turn)) == sorted(targets) for turn in range(len(targets)))

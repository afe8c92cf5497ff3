from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from app.fleet.residency import Residency


def test_an_adapter_that_was_never_used_is_on_disk():
    assert Residency(2, 4).level("a") == "disk"


def test_the_least_recently_used_adapter_leaves_the_gpu_first_and_stays_in_memory():
    residency = Residency(2, 4)
    for name in ("a", "b", "a", "c"):
        residency.use(name)
    assert {name: residency.level(name) for name in "abc"} == {"a": "gpu", "b": "cpu", "c": "gpu"}


def test_what_leaves_memory_leaves_the_gpu_as_well():
    residency = Residency(2, 2)
    for name in "abc":
        residency.use(name)
    assert residency.level("a") == "disk"
    assert [*residency.slots] == ["b", "c"]


def test_use_says_where_the_adapter_was_found():
    residency = Residency(1, 2)
    assert [residency.use(name) for name in "abba"] == ["disk", "disk", "gpu", "cpu"]


def test_adapters_that_the_server_is_seen_to_run_are_in_its_slots():
    residency = Residency(2, 4)
    for name in "abc":
        residency.use(name)
    residency.seen({"a"})
    assert residency.level("a") == "gpu"


def test_a_name_that_was_unloaded_is_nowhere():
    residency = Residency(2, 2)
    residency.use("a")
    residency.forget("a")
    assert residency.level("a") == "disk"


def test_a_server_that_began_anew_has_none():
    residency = Residency(2, 2)
    residency.use("a")
    residency.clear()
    assert residency.level("a") == "disk"


class TwoLists:
    """vLLM's own way, written as it is there: a cache of registered adapters and one of active ones."""

    def __init__(self, slots: int, kept: int) -> None:
        self.limits = slots, kept
        self.active: OrderedDict[str, None] = OrderedDict()
        self.registered: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> None:
        slots, kept = self.limits
        if name not in self.registered:
            if len(self.registered) + 1 > kept:
                oldest = next(iter(self.registered))
                del self.registered[oldest]
                self.active.pop(oldest, None)
            self.registered[name] = None
        self.registered.move_to_end(name)
        if name not in self.active:
            if len(self.active) >= slots:
                del self.active[next(iter(self.active))]
            self.active[name] = None
        self.active.move_to_end(name)


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_the_simulation_goes_as_the_servers_own_lists_go(slots, more, used):
    theirs, ours = TwoLists(slots, slots + more), Residency(slots, slots + more)
    for name in used:
        theirs.add(name)
        ours.use(name)
        assert [*ours.slots] == [*theirs.active]
        assert [*ours.kept] == [*theirs.registered]

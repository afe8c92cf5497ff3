import pytest

from app.loras.unusable import Unusable
from app.loras.versions import Version
from app.loras.wanted import Alias, Wanted

OLD, NEW, OTHER = "risk@00000001", "risk@00000002", "ideas@00000003"
KEEP = 600.0


def versions(*names: str) -> dict[str, Version]:
    return {
        name: Version(name.partition("@")[0], f"{name.partition('@')[2]}ff", name, 8, "base")
        for name in names
    }


def names(wanted: Wanted, now: float = 0.0) -> set[str]:
    return set(wanted.names(now, KEEP))


def test_a_name_that_was_never_seen_means_its_only_version():
    wanted = Wanted().with_new(versions(OLD, OTHER))
    assert (wanted.version_of("risk"), wanted.version_of("ideas")) == (OLD, OTHER)


def test_of_several_that_were_never_seen_somebody_has_to_choose():
    wanted = Wanted().with_new(versions(OLD, NEW))
    assert wanted.version_of("risk") is None
    assert wanted.roll("risk", NEW).version_of("risk") == NEW


def test_another_version_that_comes_changes_nothing():
    wanted = Wanted().with_new(versions(OLD))
    assert wanted.with_new(versions(OLD, NEW)) is wanted


def test_a_roll_wants_both_until_it_is_done_and_then_the_one_before_for_a_while():
    wanted = Wanted().with_new(versions(OLD)).roll("risk", NEW)
    assert (wanted.version_of("risk"), names(wanted)) == (OLD, {OLD, NEW})
    moved = wanted.moved("risk", 100.0)
    assert moved.version_of("risk") == NEW
    assert names(moved, 100.0 + KEEP - 1) == {OLD, NEW}
    assert names(moved, 100.0 + KEEP) == {NEW}


def test_a_roll_can_be_taken_back_before_and_after_it_is_done():
    rolling = Wanted().with_new(versions(OLD)).roll("risk", NEW)
    assert rolling.back("risk").aliases["risk"] == Alias(OLD, fault="taken back")
    assert rolling.moved("risk", 1.0).back("risk").aliases["risk"].next == OLD
    with pytest.raises(Unusable, match="nothing to go back to"):
        Wanted().with_new(versions(OLD)).back("risk")


def test_a_roll_that_failed_leaves_the_name_and_says_why():
    wanted = Wanted().with_new(versions(OLD)).roll("risk", NEW).failed("risk", "too large")
    assert wanted.aliases["risk"] == Alias(OLD, fault="too large")
    assert names(wanted) == {OLD}


def test_a_version_that_a_name_means_is_not_unloaded():
    wanted = Wanted().with_new(versions(OLD))
    with pytest.raises(Unusable, match="risk means risk@00000001"):
        wanted.unload(OLD)


def test_what_is_unloaded_stays_away_until_it_is_asked_for():
    wanted = Wanted().load(NEW).unload(NEW)
    assert names(wanted) == set()
    assert names(wanted.load(NEW)) == {NEW}


def test_a_name_that_is_retired_takes_its_versions_with_it_and_does_not_come_back_by_itself():
    wanted = Wanted().with_new(versions(OLD)).roll("risk", NEW).moved("risk", 1.0).retire("risk")
    assert names(wanted, 2.0) == set()
    assert wanted.with_new(versions(OLD)).version_of("risk") is None
    assert wanted.roll("risk", OLD).version_of("risk") == OLD


def test_what_is_pinned_is_wanted():
    assert names(Wanted().pin(NEW, pinned=True)) == {NEW}
    assert names(Wanted().pin(NEW, pinned=True).pin(NEW, pinned=False)) == set()


def test_it_can_be_written_down_and_read_again():
    wanted = Wanted().with_new(versions(OLD, OTHER)).roll("risk", NEW).pin(OTHER, pinned=True).load(NEW)
    assert Wanted.of(wanted.text()) == wanted
    with pytest.raises(Unusable, match="not understood"):
        Wanted.of(b'{"aliases": 1}')

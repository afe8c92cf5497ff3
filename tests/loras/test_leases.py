import pytest

from adapters.leasing import Leasing
from app.loras.leases import Leases
from app.loras.shared import Held
from app.loras.unusable import Unusable, Unwritten


def test_a_replica_that_somebody_holds_is_nobody_else_s_until_it_is_released_or_the_time_is_over():
    held = Leases().taken("r1", "one", 100.0, 30.0)
    assert held is not None
    assert held.taken("r1", "two", 129.0, 30.0) is None
    assert held.taken("r2", "two", 129.0, 30.0) is not None
    assert held.taken("r1", "one", 129.0, 30.0) is not None
    assert held.taken("r1", "two", 130.0, 30.0) is not None
    assert held.released("r1", "one").taken("r1", "two", 101.0, 30.0) is not None
    assert held.released("r1", "two") == held


def test_others_see_what_is_held_and_not_what_has_ended():
    held = Leases().taken("r1", "one", 100.0, 30.0)
    assert held is not None
    assert held.others("two", 120.0) == {"r1"}
    assert not held.others("two", 131.0)
    assert not held.others("one", 120.0)


def test_it_can_be_written_down_and_read_again():
    held = Leases().taken("r1", "one", 100.0, 30.0)
    assert held is not None
    assert Leases.of(held.text()) == held
    assert Leases.of(b"") == Leases()
    with pytest.raises(Unusable, match="not understood"):
        Leases.of(b"[")


async def test_of_two_workers_one_holds_a_replica():
    shared = Held()
    one, two = Leasing(shared, "local"), Leasing(shared, "local")
    assert await one.hold("r1", 30)
    assert not await two.hold("r1", 30)
    assert await two.others() == {"r1"}
    await one.release("r1")
    assert await two.hold("r1", 30)


class Gone(Held):
    """A database that does not answer."""

    async def read(self, fleet: str) -> tuple[int, bytes]:
        raise Unwritten("it is gone")


async def test_without_the_database_each_acts_as_if_it_were_alone():
    leasing = Leasing(Gone(), "local")
    assert await leasing.hold("r1", 30)
    await leasing.release("r1")

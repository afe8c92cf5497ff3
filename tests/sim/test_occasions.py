"""Faults come on the first requests, on every third or so, or by the clock; in between the answer is good."""

import pytest

from sim.occasions import MAX_NAMES, Occasions
from sim.script import BadScript, Script
from tests.sim.asking import CHAT, body


def faults(script: str, times: list[float]) -> list[bool]:
    """Whether requests of one name at these times get the fault."""
    occasions = Occasions()
    given = Script.of(f"twin?status=503&{script}")
    return [occasions.script("twin", given, time).status == 503 for time in times]


def test_the_first_requests_fail():
    assert faults("fail=2", [0, 0, 0, 0]) == [True, True, False, False]
    assert faults("fail=0", [0]) == [False]


def test_every_third_request_fails():
    assert faults("every=3", [0] * 7) == [False, False, True, False, False, True, False]


def test_a_flapping_upstream_fails_by_the_clock():
    assert faults("flap=10,5", [100, 109.9, 110, 114.9, 115]) == [True, True, False, False, True]


def test_what_is_not_a_fault_stays_in_a_good_answer():
    good = Script.of("twin?chunks=40&gap=0.5&cut=3&first=20&fail=0&dialect=vllm").good()

    assert (good.chunks, good.gap, good.dialect, good.cut, good.first) == (40, 0.5, "vllm", -1, 0)


@pytest.mark.parametrize("flap", ["1", "a,b", "0,0", "-1,2"])
def test_a_flapping_without_two_times_is_refused(flap):
    with pytest.raises(BadScript):
        faults(f"flap={flap}", [0])


def test_names_are_counted_apart_and_forgotten_beyond_a_bound():
    occasions = Occasions()
    script = Script.of("twin?status=503&fail=1")

    first = [occasions.script(str(number), script, 0).status for number in range(MAX_NAMES + 1)]

    assert set(first) == {503}
    assert occasions.script(str(MAX_NAMES), script, 0).status == 200
    assert occasions.script("0", script, 0).status == 503


async def test_a_name_is_counted_on_every_connection_until_it_is_forgotten(upstream, direct):
    async def status() -> int:
        return (await direct.post(CHAT, json=body("twin?status=503&fail=1"))).status_code

    assert [await status(), await status()] == [503, 200]
    await direct.post(upstream[1].removesuffix("/v1") + "/sim/forget")
    assert await status() == 503

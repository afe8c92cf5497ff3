"""A few thousand calls with faults through a gateway in a process of its own."""

from random import Random

from chaos.soak import findings, soak

WARMING_MIB = 25.0
"""For each 10,000 calls. So few calls are all warming up (measured: up to 13 MiB); a leak of 3 kB a call shows still."""


async def test_memory_does_not_grow_with_the_calls_and_every_answer_is_whole_or_says_that_it_is_not():
    seed = Random().randrange(2**32)
    seen = await soak(Random(seed), 3000, lambda _: None)

    found = findings(seen, WARMING_MIB)
    assert [
        (finding.claim, finding.measured, finding.faults) for finding in found if not finding.holds
    ] == [], seed

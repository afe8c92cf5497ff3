"""The sixteen faults of Failover Bench, at a faster pace."""

from pathlib import Path

from chaos.failover import FAST, configuration, run
from tests.support.gateway import gateway_of, twin


async def test_all_sixteen_faults_are_passed(tmp_path: Path):
    async with twin() as (upstream, url), gateway_of(configuration(url, FAST), tmp_path) as gateway:
        verdicts = await run(gateway.url, upstream, FAST)

    assert [verdict.id for verdict in verdicts] == [f"S{number:02}" for number in range(1, 17)]
    assert {verdict.id: verdict.failed for verdict in verdicts if not verdict.passed} == {}

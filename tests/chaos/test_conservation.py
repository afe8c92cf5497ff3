"""A thousand calls with faults, retries and clients that leave: what is counted, and what stays behind."""

from random import Random

from chaos.conservation import findings, storm


async def test_tokens_records_permits_connections_and_tasks_all_come_out_even():
    seed = Random().randrange(2**32)
    after = await storm(Random(seed), 1000)

    assert [(finding.claim, finding.faults) for finding in findings(after) if not finding.holds] == [], seed
    assert sum(heard.left for heard in after.heard) > 50
    assert sum(len(line.get("tries", ())) > 1 for line in after.lines) > 100

"""An alias changes while two workers answer; with slack for a machine that is busy with other things."""

from chaos.reload import STREAMS, WORKERS, swap


async def test_an_alias_changes_under_load_without_a_failed_call_on_every_worker_and_open_streams_end_well():
    seen = await swap()

    assert seen.failed == 0, [each for each in seen.calls if not each.model]
    assert {each.model for each in seen.calls} == {"old", "new"}
    assert seen.last_old_seconds < 2
    assert seen.reloads == WORKERS
    assert seen.streams == STREAMS

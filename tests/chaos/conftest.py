"""The experiments run on the gateway's own event loop, beside a heap that is frozen as a worker's is."""

import pytest
import uvloop


def pytest_asyncio_loop_factories():
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True, scope="module")
def _as_in_a_worker(frozen: None) -> None:
    """See `frozen`."""

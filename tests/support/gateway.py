"""A gateway under test, and a twin behind it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from chaos import serving
from chaos.serving import Served, gateway_of, served
from sim.server import Twin

__all__ = ["RECORDED", "Served", "gateway_of", "served", "twin", "twin_configuration"]

RECORDED = Path(__file__).parent.parent / "recorded"


def twin() -> AbstractAsyncContextManager[tuple[Twin, str]]:
    """A running twin that has the recordings, and its base URL."""
    return serving.twin(RECORDED)


def twin_configuration(url: str, more: str = "") -> str:
    """A configuration with the twin as its upstream, under the name `twin` and the alias `words`."""
    return f"""
upstreams:
  twin: {{kind: openai, url: "{url}", api_key: upstream-secret-1, timeouts: {{connect: 1, first_content: 2, gap: 1, total: 6}}}}
models:
  words: twin/twin
{more}
"""

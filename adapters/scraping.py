"""What a vLLM server tells of itself at /metrics, as far as the choice of replicas wants to know it."""

import re
from dataclasses import dataclass

from adapters.directory import Directory

MOST_BYTES = 4 * 1024 * 1024
_LINE = re.compile(
    rb"^vllm:(?P<name>kv_cache_usage_perc|num_requests_running|num_requests_waiting|lora_requests_info)"
    rb"\{(?P<labels>[^\n]*)\} (?P<value>[0-9.eE+-]+)\r?$",
    re.MULTILINE,
)
_ADAPTERS = re.compile(rb'(?:running|waiting)_lora_adapters="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Told:
    """The share of its KV cache in use, the calls that it has from everyone, and the adapters that they ask for."""

    kv_usage: float
    calls: int
    adapters: frozenset[str]


def told(page: bytes) -> Told | None:
    """Of the page; None where it is none of vLLM's.

    Of the series of `lora_requests_info` the one with the largest value is now: the value is the time.
    """
    kv_usage, calls, found = 0.0, 0.0, False
    newest, adapters = -1.0, frozenset[str]()
    for line in _LINE.finditer(page):
        found = True
        name, value = line["name"], float(line["value"])
        if name == b"kv_cache_usage_perc":
            kv_usage = max(kv_usage, value)
        elif name != b"lora_requests_info":
            calls += value
        elif value > newest:
            names = b",".join(_ADAPTERS.findall(line["labels"])).decode(errors="replace").split(",")
            newest, adapters = value, frozenset(filter(None, names))
    return Told(min(kv_usage, 1.0), int(calls), adapters) if found else None


async def scraped(directory: Directory, where: str) -> Told | None:
    """What the server at this base URL tells now. Raises UpstreamFailure where it does not answer."""
    answer = await directory.ask("GET", f"{where.removesuffix('/v1')}/metrics")
    if not answer.is_success or len(answer.content) > MOST_BYTES:
        return None
    return told(answer.content)

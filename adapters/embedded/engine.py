"""llama.cpp in this process: the server that the wheel brings, which listens to this process alone.

That server is started with a model in any case, and it offers what the wheel's Python calls do not: every
operation, and an end to a call whose client has left, also while it waits or computes a plain answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from adapters.embedded.files import checked
from adapters.embedded.heads import Head
from adapters.embedded.quiet import QUIET
from app import config
from app.contracts import CannotStart

HOST = "127.0.0.1"
ALIAS = "hyperbridge-embedded"
"""The model's name in there; a client is told the name that it asked."""

BATCH_TOKENS = 512
"""Prompt tokens computed at once; only between two batches can a call be ended."""


class Server(Protocol):
    """What the wheel's server shows; it stops when the last reference to it is gone."""

    @property
    def listening_address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A server with its model, and what the model's file says about it."""

    server: Server
    head: Head


def load(settings: config.Embedded, path: str, key: str, threads: int) -> Loaded:
    """Start the server on a free port, for callers with the key. `path` is the upstream's in the configuration.

    Takes as long as the model's loading does (0.9 to 4.2 s for 1.8 GB of float32 on two busy cores); meanwhile the
    wheel holds Python's lock. Raises CannotStart.
    """
    xllamacpp = _wheel(path)
    head = checked(settings, path)
    parameters = _parameters(xllamacpp, settings, head)
    parameters.api_keys = [key]
    parameters.n_threads_http = threads
    QUIET.enter()
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError:
        QUIET.leave()
        raise CannotStart(
            f"{path}.model: llama.cpp (xllamacpp {xllamacpp.__version__}) cannot load {settings.model}: it is "
            f"damaged, its architecture {head.architecture!r} is newer than this version, or memory is short"
        ) from None
    server.handle_metrics()  # answered by the server's loop, so it runs now: stopped before that, it never ends
    return Loaded(server, head)


def _wheel(path: str) -> Any:
    """The wheel's module: 100 MB that only this kind of upstream needs."""
    try:
        return import_module("xllamacpp")
    except ImportError as error:
        raise CannotStart(
            f"{path}.kind: 'embedded' needs the package xllamacpp ({error}); "
            "pip install 'hyperbridge[embedded]'"
        ) from None


def _parameters(xllamacpp: Any, settings: config.Embedded, head: Head) -> Any:
    parameters = xllamacpp.CommonParams()
    for name, value in _values(settings).items():
        setattr(parameters, name, value)
    parameters.model.path = str(settings.model)
    parameters.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(str(lora.path), 0.0) for lora in settings.loras.values()
    ]
    if settings.threads is not None:
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = settings.threads
    if settings.embeddings and not head.values.get(f"{head.architecture}.pooling_type"):
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return parameters


def _values(settings: config.Embedded) -> Mapping[str, object]:
    # An embedding is computed in one batch; llama.cpp rounds a context up to 256.
    batch = max(settings.context_tokens, 256) if settings.embeddings else BATCH_TOKENS
    return {
        "hostnames": [HOST],
        "port": 0,
        "model_alias": {ALIAS},
        "n_ctx": settings.context_tokens * settings.parallel,
        "n_parallel": settings.parallel,
        "n_batch": batch,
        "n_ubatch": batch,
        "embedding": settings.embeddings,
        "offline": True,
        "endpoint_metrics": True,
        "endpoint_slots": False,
        "endpoint_props": False,
        "sse_ping_interval": -1,
        "verbosity": 0,
        "cache_ram_mib": 0,  # by default up to 8 GiB of earlier prompts are kept
        # A prompt's cache is used again for the same prompt under another adapter, and the answer is neither's
        # (ggml-org/llama.cpp#26207).
        "cache_prompt": not settings.loras,
    }

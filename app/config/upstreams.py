"""The settings of upstreams: what every HTTP kind takes, and what each kind adds."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from app.breaker import Tolerance
from app.config.loras import CacheSalt, Loras
from app.config.pacing import Pacing
from app.config.prices import Price
from app.config.settings import Settings
from app.config.values import (
    BaseUrl,
    Count,
    Credential,
    EmptyIsNull,
    ExtraHeaders,
    File,
    Flag,
    FromText,
    Matching,
    Seconds,
    wrong,
)
from app.contracts import Timeouts
from app.fleet.choice import PolicyName

NEBIUS_URL = "https://api.tokenfactory.nebius.com/v1"

OperationName: TypeAlias = Literal[
    "chat",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "count_tokens",
    "rerank",
    "tokenize",
    "detokenize",
]
ALL_OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
OPENAI_OPERATIONS: tuple[OperationName, ...] = ("chat", "completions", "embeddings", "responses", "rerank")

ModelName = Annotated[
    str,
    Matching(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,255}", "a name of letters, digits and . _ : / @ + -"),
]
LoraName = Annotated[
    str, Matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "a name of letters, digits and . _ - without a slash")
]
_DEFAULTS = Timeouts()
_TOLERANCE = Tolerance()
Checks = Annotated[float, Field(ge=0, le=86_400), FromText]
_CHECKS = "seconds between two health checks of a server, which ask for its models; 0 is none"


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class TimeoutSettings(Timeouts):
    """The bounds of `contracts.Timeouts` as the file may set them."""

    connect: Seconds = Field(default=_DEFAULTS.connect, description="seconds to connect")
    first_content: Seconds = Field(
        default=_DEFAULTS.first_content,
        description="seconds until the first content of a stream; a whole answer has `total`",
    )
    gap: Seconds = Field(default=_DEFAULTS.gap, description="seconds between two reads of an answer")
    total: Seconds = Field(
        default=_DEFAULTS.total, description="seconds for the whole call; at least `first_content`"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.total < self.first_content:
            raise wrong("total must be at least first_content")
        return self


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class BreakerSettings(Tolerance):
    """What `breaker.Tolerance` holds, as the file may set it."""

    error_rate: Annotated[float, Field(strict=True, gt=0, le=1), FromText] = Field(
        default=_TOLERANCE.error_rate,
        description="the share of failures at which a server is no longer asked",
    )
    window_seconds: Seconds = Field(
        default=_TOLERANCE.window_seconds, description="over how many of the last seconds that share is taken"
    )
    minimum: Annotated[int, Field(strict=True, ge=1, le=1_000_000), FromText] = Field(
        default=_TOLERANCE.minimum, description="with fewer outcomes than these nothing is concluded"
    )
    open_seconds: Seconds = Field(
        default=_TOLERANCE.open_seconds,
        description="how long it is not asked then; twice as long after a probe that failed",
    )
    probes: Annotated[int, Field(strict=True, ge=1, le=100), FromText] = Field(
        default=_TOLERANCE.probes,
        description="good answers in a row, one call at a time, until all is well again",
    )


class HttpSettings(Settings):
    """What every upstream takes that is reached over HTTP."""

    timeouts: TimeoutSettings = TimeoutSettings()
    max_connections: Annotated[int, Field(ge=1, le=100_000), FromText] = Field(
        default=1000, description="connections held at once, per worker and replica"
    )
    idle_seconds: Seconds = Field(default=60.0, description="how long an unused connection is kept")
    breaker: BreakerSettings | None = BreakerSettings()
    health_check_seconds: Checks = Field(default=0.0, description=_CHECKS)
    pacing: Pacing = Pacing()
    price: Price | None = Field(
        default=None, description="what its models cost; null is what is known of them"
    )
    headers: ExtraHeaders = Field(default={}, description="headers added to each request; values are secret")
    ca_file: Annotated[File | None, EmptyIsNull] = Field(
        default=None, description="certificates (PEM) to trust instead of the usual ones"
    )

    @property
    def bases(self) -> tuple[str, ...]:
        """The base URLs of all its replicas."""
        raise NotImplementedError


class Demo(Settings):
    """Answers made up in this process, for trying things out."""

    kind: Literal["demo"]


class Nebius(HttpSettings):
    """Nebius Token Factory."""

    kind: Literal["nebius"]
    api_key: Credential = Field(description="the key sent to the upstream")
    url: BaseUrl = Field(default=NEBIUS_URL, description="the base of the API")
    pacing: Pacing = Pacing(requests_per_minute=60)
    max_tokens: Count = Field(default=4096, description="bound of an answer, sent where the client sets none")
    speaks: tuple[OperationName, ...] = Field(
        default=OPENAI_OPERATIONS, min_length=1, description="the operations it offers"
    )

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.url,)


class OpenAI(HttpSettings):
    """Any server that speaks OpenAI's API, such as Ollama or llama.cpp."""

    kind: Literal["openai"]
    api_key: Annotated[Credential | None, EmptyIsNull] = Field(
        default=None, description="the key sent to the upstream"
    )
    url: BaseUrl = Field(description="the base of the API")
    speaks: tuple[OperationName, ...] = Field(
        default=OPENAI_OPERATIONS, min_length=1, description="the operations it offers"
    )

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.url,)


class Vllm(HttpSettings):
    """One or more vLLM servers with the same models."""

    kind: Literal["vllm"]
    api_key: Annotated[Credential | None, EmptyIsNull] = Field(
        default=None, description="the key sent to the upstream"
    )
    replicas: tuple[BaseUrl, ...] = Field(min_length=1, description="the base of each server's API")
    choice: PolicyName = Field(default="lmetric", description="how a call's server is chosen")
    max_loras: Annotated[int, Field(ge=1, le=4096), FromText] = Field(
        default=1, description="the servers' --max-loras: adapters that each answers with at once"
    )
    max_cpu_loras: Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, EmptyIsNull, FromText] = Field(
        default=None, description="the servers' --max-cpu-loras; null is `max_loras`, as it is there"
    )
    max_in_flight: Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, EmptyIsNull, FromText] = Field(
        default=None,
        description="calls that a server answers at once; more wait in the gateway, in fair order, null is any number",
    )
    max_waiting: Annotated[int, Field(ge=0, le=1_000_000), FromText] = Field(
        default=1000, description="calls that wait for a server at most; more are 429, or go to a fallback"
    )
    wait_seconds: Seconds = Field(
        default=60.0, description="how long a call waits for a server; then it is 429, or goes to a fallback"
    )
    cache_salt: CacheSalt = Field(
        default="key", description="who shares a server's prefix cache: the calls of one key, or all (`none`)"
    )
    priorities: Flag = Field(
        default=False,
        description="whether the servers are told a call's priority (they need --scheduling-policy priority)",
    )
    loras: Loras | None = Field(
        default=None, description="adapters that the gateway gives to the servers; null leaves them alone"
    )
    health_check_seconds: Checks = Field(default=10.0, description=_CHECKS)
    speaks: tuple[OperationName, ...] = Field(
        default=ALL_OPERATIONS, min_length=1, description="the operations it offers"
    )

    @property
    def bases(self) -> tuple[str, ...]:
        return self.replicas


class Lora(Settings):
    path: File = Field(description="the adapter (GGUF)")
    scale: Annotated[float, FromText] = Field(default=1.0, description="how strongly it is applied")


class Embedded(Settings):
    """A GGUF model run in this process by llama.cpp."""

    kind: Literal["embedded"]
    model: File = Field(description="the model (GGUF)")
    name: Annotated[ModelName | None, EmptyIsNull] = Field(
        default=None, description="the model's name; null is the file's name without its ending"
    )
    context_tokens: Annotated[int, Field(ge=1, le=16_777_216), FromText] = Field(
        default=4096, description="context of one call, prompt and answer together"
    )
    threads: Annotated[Annotated[int, Field(ge=1, le=1024)] | None, FromText] = Field(
        default=None, description="processor threads; null is one per core"
    )
    parallel: Annotated[int, Field(ge=1, le=64), FromText] = Field(
        default=1, description="calls answered at once"
    )
    embeddings: Flag = Field(default=False, description="whether it computes embeddings instead of text")
    loras: Mapping[LoraName, Lora] = Field(default={}, description="adapters by name")


HTTP_KINDS = (Nebius, Vllm, OpenAI)
Upstream: TypeAlias = Annotated[Demo | Nebius | Vllm | OpenAI | Embedded, Field(discriminator="kind")]

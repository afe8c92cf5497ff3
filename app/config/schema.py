"""The settings of the whole file: server, models, keys, metrics and logs."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.config.databases import Redis, Store
from app.config.limits import AllowanceSettings, Limits
from app.config.prices import Price, Prices
from app.config.routing import (
    Mode,
    Name,
    PresetNames,
    RequestMembers,
    Router,
    Templates,
    Variables,
)
from app.config.scenes import Scenes
from app.config.settings import Settings
from app.config.splits import Canary, Shadow, Split, Sticky
from app.config.text import version_of
from app.config.upstreams import ModelName, Upstream
from app.config.values import (
    Count,
    EmptyIsNull,
    File,
    Flag,
    FromText,
    Host,
    Matching,
    Seconds,
    WebOrigin,
    expects,
    wrong,
)
from app.contracts import Layer, Policy, Priority, Thinking
from app.outcomes import FallbackClass
from app.yaml_source import Path

MASK = "**********"
"""What stands for a secret in printed settings, as pydantic writes it."""
ALL_MODELS = "*"
SHORT_LIVED = "eph"
"""What short-lived keys have in the place of an id."""

_HASH_OF_NOTHING = hashlib.sha256().hexdigest()
_POLICY = Policy()
PromptTokens = Annotated[Annotated[int, Field(ge=1, le=100_000_000)] | None, EmptyIsNull, FromText]


class Server(Settings):
    """Where the gateway listens, and the bounds of a request."""

    host: Host = Field(
        default="127.0.0.1",
        description="address to listen at; any but loopback needs keys, here or in the database",
    )
    port: Annotated[int, Field(ge=0, le=65535), FromText] = Field(
        default=8000, description="port to listen at; 0 takes a free one"
    )
    workers: Annotated[int, Field(ge=1, le=64), FromText] = Field(
        default=1, description="processes that answer"
    )
    max_body_bytes: Count = Field(default=33_554_432, description="largest request body; above it 413")
    max_depth: Annotated[int, Field(ge=8, le=500), FromText] = Field(
        default=256, description="how deep a request's objects and arrays may be nested; above it 400"
    )
    max_messages: Annotated[int, Field(ge=1, le=1_000_000), FromText] = Field(
        default=10_000, description="messages in a request; above it 400"
    )
    max_prompt_tokens: PromptTokens = Field(
        default=None, description="tokens of a prompt, by an estimate; above it 400, null is any number"
    )
    max_answer_bytes: Count = Field(
        default=67_108_864, description="largest answer held in memory; streams are not held"
    )
    cors_origins: tuple[WebOrigin, ...] = Field(
        default=(),
        description="web pages that may call from a browser, by origin; `*` is all and needs keys",
    )
    client_gap_seconds: Seconds = Field(
        default=60.0, description="how long a client may stop sending its request or reading its answer"
    )
    heartbeat_seconds: Annotated[float, Field(ge=0, le=3600), FromText] = Field(
        default=0.0,
        description="how often a stream that waits for its first content gives a sign of life; 0 is never",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600), FromText] = Field(
        default=30.0, description="how long running calls may finish after a stop was asked for"
    )
    watch_seconds: Annotated[float, Field(ge=0, le=3600), FromText] = Field(
        default=0.5,
        description="how often this file is looked at, to put its changes into force; 0 is never",
    )


class Fallback(Settings):
    """Where a call goes when the routes before have failed."""

    model_config = ConfigDict(json_schema_extra={"expects": "a model's name, or a mapping"})

    to: Annotated[str, expects("a name of `models`, or upstream/model")] = Field(
        description="a name of `models`, or upstream/model"
    )
    when: tuple[FallbackClass, ...] = Field(
        default=get_args(FallbackClass),
        min_length=1,
        description="the classes of failure that it is taken for",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, str) else value


class Hedge(Settings):
    """A second attempt beside one that is slow; the first to answer is taken, the other is let go."""

    share: Annotated[float, Field(gt=0, le=1), FromText] = Field(
        default=0.05, description="at most this share of the requests gets one"
    )
    after_seconds: Annotated[Seconds | None, EmptyIsNull] = Field(
        default=None,
        description="how long the first may take to its first content; null is what 95 % of answers take",
    )


class Model(Settings):
    """A name that clients ask for, and what answers."""

    model_config = ConfigDict(json_schema_extra={"expects": "upstream/model, or a mapping"})

    upstream: str = Field(description="the upstream's name")
    model: Annotated[str, Matching(r"[^\s\x00-\x1f\x7f]{1,256}", "a model's name, without spaces")] = Field(
        description="the upstream's own name for the model"
    )
    defaults: RequestMembers = Field(
        default={}, description="members of the request, set where the client sends none"
    )
    presets: PresetNames = Field(
        default=(),
        description="the same by names of `presets`; the later one wins, and `defaults` before all",
    )
    mode: Annotated[str | None, EmptyIsNull] = Field(
        default=None, description="the mode of every call of this name; null is none"
    )
    template: Annotated[str | None, EmptyIsNull] = Field(
        default=None, description="the prompt template of every call of this name; null is none"
    )
    variables: Variables = Field(
        default={}, description="the template's variables, where the client sends none"
    )
    thinking: Thinking = Field(
        default="auto", description="whether a model that can do both shall think before it answers"
    )
    scenes: Layer | None = Field(
        default=None, description="how far a prompt may be said in fewer tokens; null is `scenes.layer`"
    )
    codebook: Annotated[str | None, EmptyIsNull] = Field(
        default=None,
        description="the codebook of `scenes.codebooks` that its prompts are said with, where a layer has codes; null is none",
    )
    hypertokens: Annotated[str | None, EmptyIsNull] = Field(
        default=None,
        description="the book of `scenes.hypertokens` whose tokens the model was trained for: it may answer with them, and reads them in the layer `hyper`; null is none",
    )
    fallbacks: tuple[Fallback, ...] = Field(
        default=(), description="where a call goes when this fails, best first"
    )
    retries: Annotated[int, Field(ge=0, le=10), FromText] = Field(
        default=_POLICY.retries, description="how often one route is asked again"
    )
    attempts: Annotated[int, Field(ge=1, le=20), FromText] = Field(
        default=_POLICY.attempts,
        description="attempts of one call in all: retries, fallbacks, hedges and rescues together",
    )
    timeout_seconds: Annotated[Seconds | None, EmptyIsNull] = Field(
        default=None, description="for everything; null is the upstream's `timeouts.total`"
    )
    max_prompt_tokens: PromptTokens = Field(
        default=None,
        description="tokens of a prompt, by an estimate; null is `server.max_prompt_tokens` alone",
    )
    rescue: Flag = Field(
        default=_POLICY.rescue, description="whether a stream that breaks is continued on a new attempt"
    )
    hedge: Hedge | None = Field(
        default=None, description="a second attempt where the first is slow; null is none"
    )
    split: tuple[Split, ...] = Field(default=(), description="other models that get a share of the calls")
    canary: Canary | None = Field(default=None, description="a model on trial; null is none")
    shadow: Shadow | None = Field(default=None, description="a model that answers beside; null is none")
    sticky: Sticky = Field(
        default="conversation", description="what stays with one model where calls are split"
    )

    price: Price | None = Field(
        default=None, description="what it costs; null is the upstream's price, or what is known of the model"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        upstream, model = split_route(value)
        if not (upstream and model):
            raise wrong("must be upstream/model, or a mapping with these two")
        return {"upstream": upstream, "model": model}

    @property
    def others(self) -> Mapping[str, str]:
        """Where its calls may go beside its own model, by the member that says so."""
        found = {f"fallbacks[{place}]": fallback.to for place, fallback in enumerate(self.fallbacks)}
        found |= {f"split[{place}]": split.to for place, split in enumerate(self.split)}
        for name, other in (("canary", self.canary), ("shadow", self.shadow)):
            if other is not None:
                found[name] = other.to
        return found

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        shares = [each.share for each in self.split] + ([self.canary.share] if self.canary else [])
        if math.fsum(shares) > 1:
            raise wrong(
                "must not give away more than all calls: the shares of split and canary add up to above 1"
            )
        return self


def split_route(text: str) -> tuple[str, str]:
    """Upstream and model of `upstream/model`; the model's own name may hold slashes too."""
    upstream, _, model = text.partition("/")
    return upstream, model


def _not_of_nothing(digits: str) -> str:
    if digits == _HASH_OF_NOTHING:
        raise wrong("must not be the hash of an empty key")
    return digits


def _not_short_lived(id: str) -> str:  # noqa: A002
    if f"{id}-".startswith(f"{SHORT_LIVED}-"):
        raise wrong(f"'{SHORT_LIVED}' stands for short-lived keys: choose another id")
    return id


KeyId = Annotated[
    str,
    Matching(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, _ or -"),
    AfterValidator(_not_short_lived),
]


class Key(Settings):
    """A key that clients present, as its hash."""

    id: KeyId = Field(description="its name in logs and metrics")
    sha256: Annotated[
        str,
        AfterValidator(str.lower),
        Matching(r"[0-9a-f]{64}", "the 64 hex digits of the key's SHA-256"),
        AfterValidator(_not_of_nothing),
        Field(json_schema_extra={"writeOnly": True}),
    ] = Field(
        description="the hash of the key; `hyperbridge keys new NAME` prints both, and `keys create` needs no line here"
    )
    models: tuple[Annotated[str, expects("a model's name")], ...] = Field(
        default=(),
        description='the models it may use, as named in `models` or as upstream/model; `["*"]` is all',
    )
    admin: Flag = Field(default=False, description="whether it may use /admin, and see the usage of all keys")
    priority: Priority = Field(
        default="normal", description="who goes first where calls wait for an upstream"
    )
    weight: Annotated[int, Field(ge=1, le=1000), FromText] = Field(
        default=1, description="its share beside other keys that wait with the same priority"
    )
    limits: AllowanceSettings = Field(default=AllowanceSettings())

    @property
    def allowed(self) -> frozenset[str] | None:
        """The names it may use; None is every model."""
        return None if ALL_MODELS in self.models else frozenset(self.models)


class Metrics(Settings):
    """Prometheus metrics."""

    enabled: Flag = Field(default=True, description="whether they are offered at /metrics")


class Logs(Settings):
    """One line of JSON for each call."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least severe lines that are written"
    )
    file: Annotated[File | None, EmptyIsNull] = Field(
        default=None, description="where they are written; null is standard error"
    )
    prompt_hash: Flag = Field(default=True, description="whether a call's line holds a hash of its prompt")


UpstreamName = Annotated[
    str, Matching(r"[a-z0-9][a-z0-9_-]{0,63}", "a name of lower-case letters, digits, _ and - (no slash)")
]


class Sections(Settings):
    """The file."""

    server: Server = Field(default=Server())
    upstreams: Mapping[UpstreamName, Upstream] = Field(min_length=1)
    models: Mapping[ModelName, Model] = Field(default={})
    presets: Mapping[Name, RequestMembers] = Field(default={})
    templates: Templates = Field(default=Templates())
    modes: Mapping[Name, Mode] = Field(default={})
    router: Router = Field(default=Router())
    scenes: Scenes = Field(default=Scenes())
    keys: tuple[Key, ...] = Field(default=())
    limits: Limits = Field(default=Limits())
    redis: Redis = Field(default=Redis())
    store: Store = Field(default=Store())
    prices: Prices = Field(default=Prices())
    metrics: Metrics = Field(default=Metrics())
    logs: Logs = Field(default=Logs())

    @model_validator(mode="before")
    @classmethod
    def _stored_here(cls, value: Any) -> Any:
        """The default of `store.url` is a file, too, whose folder is the configuration's."""
        return {"store": {}, **value} if isinstance(value, dict) else value


class Config(Sections):
    """The file, valid, with what is odd about it; `hidden` are the values that hold a variable's value."""

    warnings: tuple[str, ...] = ()
    hidden: frozenset[Path] = Field(default=frozenset(), exclude=True, repr=False)
    text: str = Field(default="", exclude=True, repr=False)

    @property
    def version(self) -> str:
        return version_of(self.text)

    def redacted(self) -> dict[str, Any]:
        """The settings in force as plain values, for people to read: no secret, no text of the environment."""
        settings = self.model_dump(mode="json", exclude={"warnings"})
        for key in settings["keys"]:
            key["sha256"] = f"{key['sha256'][:8]}..."
        for path in self.hidden:
            _mask(settings, path)
        return settings


def _mask(settings: Any, path: Iterable[str | int]) -> None:
    *above, last = path
    try:
        for step in above:
            settings = settings[step]
        settings[last] = _masked(settings[last])
    except LookupError:
        return  # a name that was normalised; only header names are, and their values are masked anyway


def _masked(value: Any) -> Any:
    """A number or a flag is no secret."""
    if isinstance(value, dict):
        return {name: _masked(member) for name, member in value.items()}
    return MASK if isinstance(value, str) else value

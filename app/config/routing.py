"""The settings of the prompt router: presets, templates, modes, and how a mode and a model are chosen."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.config.document import Substituted
from app.config.settings import Settings
from app.config.values import Count, EmptyIsNull, File, Flag, FromText, Matching, Seconds, expects, wrong
from app.contracts import Layer, Thinking
from app.operations import OPERATIONS
from app.yaml_source import plain_value

_GIVEN_BY_CLIENT = {"model", "stream", "stream_options"} | {
    name for operation in OPERATIONS.values() for name in operation.required
}
_JSON_INTEGERS = range(-(2**63), 2**64)
_WHOLE_DAY = 24

Task: TypeAlias = Literal[
    "chat",
    "quick",
    "code",
    "maths",
    "analysis",
    "reasoning",
    "creative",
    "metrics",
    "vision",
    "embedding",
    "rerank",
]
"""What a model can be good at."""
OrderedBy: TypeAlias = Literal["quality", "fastest", "cheapest", "weighted"]
"""What models that could all answer are ordered by."""


def _members(defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members as JSON values; text from the environment that reads as a number is one."""
    given = [name for name in defaults if name in _GIVEN_BY_CLIENT]
    if given:
        raise wrong(f"must not set {', '.join(given)}: what the client asks is the client's to say")
    return {name: _json(value) for name, value in defaults.items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json(member) for name, member in value.items()}
    if isinstance(value, tuple):
        return tuple(_json(item) for item in value)
    if isinstance(value, Substituted):
        return _json(plain_value(str(value)))
    if isinstance(value, int) and value not in _JSON_INTEGERS:
        raise wrong("must not hold a whole number of more than 64 bits")
    return value


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


RequestMembers = Annotated[Mapping[str, Any], AfterValidator(_members)]
"""Members of a request, set where the client sends none."""
Name = Annotated[str, Matching(r"[a-z0-9][a-z0-9_-]{0,63}", "a name of lower-case letters, digits, _ and -")]
PresetNames = Annotated[
    tuple[Annotated[str, expects("a preset's name")], ...],
    BeforeValidator(_one_or_many),
    expects("a preset's name, or a list of such"),
]
Variables = Annotated[
    Mapping[str, Annotated[str, FromText]],
    expects("a mapping of a template's variables to texts"),
]
Share = Annotated[float, Field(ge=0, le=1), FromText]


class Templates(Settings):
    """Prompt templates, beside those that are shipped."""

    folder: Annotated[File | None, EmptyIsNull] = Field(
        default=None,
        description="where more of them are, one NAME.md each; one of a shipped name replaces it",
    )
    glossary: Annotated[File | None, EmptyIsNull] = Field(
        default=None, description="terms with your own meaning, for the template `glossary`"
    )


class Mode(Settings):
    """A way of answering. What is not set is as shipped, where a mode of this name is."""

    description: str | None = Field(default=None, description="what belongs there, for people")
    aim: str | None = Field(default=None, description="what it is there for, for people")
    risk: str | None = Field(default=None, description="how it goes wrong")
    remedy: str | None = Field(default=None, description="what overcomes the risk")
    lens: str | None = Field(default=None, description="the text that the system's begins with")
    presets: PresetNames | None = Field(
        default=None, description="names of `presets`; where two set the same, the later one counts"
    )
    template: str | None = Field(
        default=None, description="a prompt template; its text stands behind the lens"
    )
    variables: Variables = Field(
        default={}, description="the template's variables, where the client sends none"
    )
    models: tuple[Annotated[str, expects("a name of `models`, or upstream/model")], ...] | None = Field(
        default=None, description="what may answer; null is every name of `models`"
    )
    tasks: tuple[Task, ...] | None = Field(
        default=None, description="what a model should be good at, as the catalogue knows it"
    )
    order_by: OrderedBy | None = Field(default=None, description="null is `router.order_by`")
    thinking: Thinking | None = Field(default=None, description="whether a model that can shall think first")
    scenes: Layer | None = Field(
        default=None, description="how far a prompt may be said in fewer tokens; null is as the model has it"
    )
    lora: str | None = Field(
        default=None, description="a LoRA adapter, taken where an upstream has it for the chosen model"
    )


class When(Settings):
    """What must be true of a request, all of it together."""

    images: Flag | None = Field(default=None, description="whether it holds an image")
    tools: Flag | None = Field(default=None, description="whether it offers tools")
    structured: Flag | None = Field(default=None, description="whether the answer must follow a JSON schema")
    code: Flag | None = Field(default=None, description="whether the last message holds a block of code")
    languages: tuple[Annotated[str, Matching(r"[a-z]{2}", "two letters, like en")], ...] | None = Field(
        default=None, description="the last message's language, one of these"
    )
    keywords: tuple[Annotated[str, Matching(r"\S(.{0,62}\S)?", "a word or words")], ...] | None = Field(
        default=None, description="one of these words stands in the last message, whatever its case"
    )
    least_tokens: Annotated[int, Field(ge=0), FromText] | None = Field(
        default=None, description="the prompt has at least so many, by an estimate"
    )
    most_tokens: Annotated[int, Field(ge=0), FromText] | None = Field(
        default=None, description="the prompt has at most so many"
    )
    keys: tuple[str, ...] | None = Field(default=None, description="ids of keys, one of which asks")
    metadata: Mapping[str, str] | None = Field(default=None, description="what the key's metadata hold")
    hours: Annotated[str, Matching(r"\d{1,2}-\d{1,2}", "two hours (UTC), like 22-6")] | None = Field(
        default=None, description="from one hour to the next one, UTC"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise wrong("must say what a request must be like")
        if self.hours is not None and any(int(hour) > _WHOLE_DAY for hour in self.hours.split("-")):
            raise wrong("must have hours from 0 to 24")
        return self


class ModeRule(Settings):
    """The mode of a request that is like this; the first that fits is taken."""

    mode: str = Field(description="the mode")
    when: When = Field(description="what must be true of a request")


class Weights(Settings):
    """How much each counts where models are ordered by all of them."""

    quality: Share = Field(default=0.6)
    speed: Share = Field(default=0.2)
    cost: Share = Field(default=0.2)


class Encoder(Settings):
    """A model of vectors that is asked for a mode where neither rules nor classifier know one."""

    model: Annotated[str, Field(min_length=1), expects("a name of `models`, or upstream/model")] = Field(
        description="what makes a vector of the last message"
    )
    file: File = Field(description="what `hyperbridge router train --encoder` made with this model")
    dimensions: Count | None = Field(
        default=None,
        description="how long its vectors shall be, where it can be asked for that; null is its own",
    )
    timeout_seconds: Seconds = Field(
        default=0.5, description="how long it may take; then the mode is the one without it"
    )


_SHIPPED_RULES = (
    {"mode": "vision", "when": {"images": True}},
    {"mode": "code", "when": {"code": True}},
)


class Router(Settings):
    """How a mode and a model are chosen for `model: auto`."""

    rules: tuple[ModeRule, ...] = Field(
        default=tuple(ModeRule.model_validate(rule) for rule in _SHIPPED_RULES),
        description="asked before the classifier; the shipped ones know images and blocks of code",
    )
    classifier: Annotated[File | None, EmptyIsNull] = Field(
        default=None, description="what `hyperbridge router train` made; null is the shipped one"
    )
    learned: Flag = Field(default=True, description="whether the classifier is asked where no rule fits")
    encoder: Encoder | None = Field(
        default=None, description="a model that is asked where the classifier does not know; null is none"
    )
    threshold: Share | None = Field(
        default=None,
        description="the least probability of a mode; null is the classifier's own, and the encoder's",
    )
    default_mode: Annotated[str | None, EmptyIsNull] = Field(
        default=None, description="the mode where neither rule nor classifier knows one; null is none"
    )
    order_by: OrderedBy = Field(default="quality", description="what models that could answer are ordered by")
    weights: Weights = Field(default=Weights())
    margin: Share = Field(
        default=0.15,
        description="how much better another mode or model must be before a conversation changes to it",
    )
    candidates: Annotated[int, Field(ge=1, le=16), FromText] = Field(
        default=3, description="models that are tried one after the other, the best first"
    )
    catalogue_seconds: Annotated[float, Field(ge=0, le=86_400), FromText] = Field(
        default=300.0,
        description="how often upstreams are asked which models they have, the first time at the start; 0 is never by itself",
    )

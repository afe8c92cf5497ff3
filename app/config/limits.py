"""The settings of what may be used."""

from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.allowance import Allowance, Bound, Measure, Scope
from app.config.settings import Settings
from app.config.values import EmptyIsNull, FromText, expects, wrong


def _one_or_many(value: Any) -> Any:
    if isinstance(value, list):  # as JSON has it
        return tuple(value)
    return (value,) if isinstance(value, str) else value


def _checked(measure: Measure, texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            Bound.parse(text, measure)
        except ValueError as error:
            raise wrong(str(error)) from None
    return texts


_Many = BeforeValidator(_one_or_many)
_EXPECTED = "an amount a minute, hour, day or month, like {}, or a list of such"
Requests = Annotated[
    tuple[str, ...],
    AfterValidator(partial(_checked, "requests")),
    _Many,
    expects(_EXPECTED.format("100/hour")),
]
Tokens = Annotated[
    tuple[str, ...],
    AfterValidator(partial(_checked, "tokens")),
    _Many,
    expects(_EXPECTED.format("50000/minute")),
]
Usd = Annotated[
    tuple[str, ...], AfterValidator(partial(_checked, "usd")), _Many, expects(_EXPECTED.format("2.50/day"))
]


class AllowanceSettings(Settings):
    """How much may be used."""

    requests: Requests = Field(default=(), description="requests in a period")
    tokens: Tokens = Field(
        default=(), description="tokens of prompts and answers in a period; `max_tokens` is reserved"
    )
    usd: Usd = Field(default=(), description="US dollars in a period, by the models' prices")
    concurrent: Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, EmptyIsNull, FromText] = Field(
        default=None, description="calls that may run at once; null is any number"
    )

    @property
    def allowance(self) -> Allowance:
        return Allowance(
            tuple(Bound.parse(text, "requests") for text in self.requests),
            tuple(Bound.parse(text, "tokens") for text in self.tokens),
            tuple(Bound.parse(text, "usd") for text in self.usd),
            self.concurrent,
        )


class Rule(AllowanceSettings):
    """A limit for each key, user or model, or for everyone together."""

    per: Scope = Field(
        description="what is counted apart: each key, each key's model, each key's user, each model, or nothing"
    )
    models: tuple[Annotated[str, expects("a model's name")], ...] = Field(
        default=(),
        description="only calls of these, as named in `models`, or upstream/* for those named with their upstream; empty is all",
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if self.allowance == Allowance():
            raise wrong("must set one of requests, tokens, usd, concurrent")
        return self


class Limits(Settings):
    """What may be used, and how that is counted."""

    rules: tuple[Rule, ...] = Field(default=())
    output_tokens: Annotated[int, Field(ge=0, le=10_000_000), FromText] = Field(
        default=1024, description="reserved for an answer where neither client nor model bounds it"
    )
    offline_share: Annotated[float, Field(ge=0, le=1), FromText] = Field(
        default=1.0,
        description="the share of each limit that this host admits by itself while Redis is gone; 0 refuses all",
    )

"""The settings of how fast upstreams are asked."""

from typing import Annotated, Literal

from pydantic import Field

from app.allowance import MOST
from app.config.settings import Settings
from app.config.values import EmptyIsNull, Flag, FromText


class Pacing(Settings):
    """How fast an upstream is asked, whatever arrives."""

    requests_per_minute: Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, EmptyIsNull, FromText] = (
        Field(
            default=None,
            description="requests a minute until the upstream's own headers say otherwise; null is any number, but 60 for nebius",
        )
    )
    tokens_per_minute: Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, EmptyIsNull, FromText] = Field(
        default=None, description="the same for tokens of prompts and answers; null is any number"
    )
    queue: Annotated[int, Field(ge=0, le=1_000_000), FromText] = Field(
        default=1000, description="calls that may wait in each worker; 0 refuses at once"
    )
    per_model: Annotated[Flag | None, EmptyIsNull] = Field(
        default=None,
        description="whether the upstream counts each model apart; null is what its kind does: openai does, others do not",
    )
    flex: tuple[Literal["batch", "hedge"], ...] = Field(
        default=("batch", "hedge"),
        description="calls sent with `service_tier: flex` where the client sets none (kind nebius)",
    )

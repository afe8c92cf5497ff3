"""The settings of a name's other targets: those that get a share of its calls, and those that only listen."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from app.config.settings import Settings
from app.config.values import EmptyIsNull, Flag, FromText, Seconds, expects

Sticky: TypeAlias = Literal["conversation", "user", "none"]
"""What stays with one target."""
Target = Annotated[str, expects("a name of `models`, or upstream/model")]
Share = Annotated[float, Field(ge=0, le=1), FromText]


class Split(Settings):
    """A share of the calls goes to another model."""

    to: Target = Field(description="another name of `models`, or upstream/model")
    share: Share = Field(description="of the calls, from 0 to 1")


class Canary(Settings):
    """The same for a model on trial: its share falls to 0 where it does worse than these bounds."""

    to: Target = Field(description="another name of `models`, or upstream/model")
    share: Share = Field(description="of the calls, from 0 to 1")
    error_rate: Share = Field(default=0.05, description="the largest share of its attempts that may fail")
    first_content_seconds: Annotated[Seconds | None, EmptyIsNull] = Field(
        default=None,
        description="the longest that half of its streams may take to their first content; null is any time",
    )
    least_calls: Annotated[int, Field(ge=1, le=1_000_000), FromText] = Field(
        default=20, description="attempts in the window before it is judged"
    )
    window_seconds: Seconds = Field(default=300.0, description="how far back is looked")


class Shadow(Settings):
    """Another model gets a copy of some calls when they are over; no client sees its answers."""

    to: Target = Field(description="another name of `models`, or upstream/model")
    share: Share = Field(default=0.05, description="of the calls, from 0 to 1")
    concurrent: Annotated[int, Field(ge=1, le=1000), FromText] = Field(
        default=4, description="at most so many at once in each worker; others are left out"
    )
    keep_text: Flag = Field(
        default=False, description="whether the texts of both answers are kept in the database"
    )

"""The settings of what tokens cost."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from app import price_table
from app.config.settings import Settings
from app.config.values import EmptyIsNull, File, FromText, wrong


class Price(Settings):
    """What a million tokens cost, in US dollars."""

    input: Annotated[float, Field(ge=0, le=1_000_000), FromText] = Field(
        default=0.0, description="US dollars a million tokens of prompts"
    )
    output: Annotated[float, Field(ge=0, le=1_000_000), FromText] = Field(
        default=0.0, description="US dollars a million tokens of answers"
    )
    cached: Annotated[Annotated[float, Field(ge=0, le=1_000_000)] | None, EmptyIsNull, FromText] = Field(
        default=None, description="the same of prompt tokens that were cached; null is `input`"
    )


def _price_table(file: Path | None) -> Path | None:
    if file is not None:
        try:
            price_table.read(file)
        except ValueError as error:
            raise wrong(str(error)) from None
    return file


class Prices(Settings):
    """What models cost where neither model nor upstream says it."""

    file: Annotated[File | None, AfterValidator(_price_table), EmptyIsNull] = Field(
        default=None, description="a catalogue of Nebius' models with their prices; null is the one shipped"
    )

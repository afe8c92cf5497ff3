"""Prices of Nebius' models, as its public catalogue tells them; a table is shipped, and another can be named."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from app.usage import Usage

SHIPPED = Path(__file__).parent / "data" / "nebius_models.json"
PICO = 1_000_000
"""Pico-dollars a token, in a dollar a million tokens."""
MOST = 1_000_000
"""Dollars a million tokens: more is a mistake."""
MAX_FILE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a token costs, in whole pico-dollars (a dollar a million tokens is 1,000,000 of them)."""

    input: int
    output: int
    cached: int

    @classmethod
    def of(
        cls, prompt: float | Decimal, answer: float | Decimal, cached: float | Decimal | None = None
    ) -> "Price":
        """From dollars a million tokens; cached tokens of the prompt cost as the others where nothing is said."""
        return cls(_pico(prompt), _pico(answer), _pico(prompt if cached is None else cached))

    def cost(self, usage: Usage) -> int:
        """Nano-dollars, rounded half to even once."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        pico = (
            (usage.input_tokens - cached) * self.input
            + cached * self.cached
            + usage.output_tokens * self.output
        )
        nano, rest = divmod(pico, 1000)
        return nano + (rest > 500 or (rest == 500 and nano % 2))


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model, and of when they are."""

    version: str
    prices: Mapping[str, Price]


def read(file: Path) -> PriceTable:
    """The catalogue in a file; its version is what it says of itself, or the day it was written.

    A model whose price is not known is left out. Raises ValueError saying what is wrong with the file.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        members = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    prices = {
        flavor["model_id"]: price for flavor in _flavors(members) if (price := _price(flavor)) is not None
    }
    if not prices:
        raise ValueError(
            "holds no model_id with input_price_per_million_tokens and output_price_per_million_tokens"
        )
    version = members.get("version") if isinstance(members, dict) else None
    return PriceTable(version if isinstance(version, str) and version else written, prices)


def _flavors(members: Any) -> list[Any]:
    """The public catalogue is a list of models with the flavors of each; the table shipped is one list of flavors."""
    models = members if isinstance(members, list) else [members]
    listed = [model.get("flavors") for model in models if isinstance(model, dict)]
    flavors = [each for each in listed if isinstance(each, list)]
    if not flavors:
        raise ValueError("must hold lists `flavors`, like the public catalogue of Nebius")
    return list(itertools.chain(*flavors))


def _price(flavor: Any) -> Price | None:
    if not isinstance(flavor, dict) or not isinstance(flavor.get("model_id"), str):
        return None
    read_price = dollars(flavor.get("input_price_per_million_tokens"))
    written = dollars(flavor.get("output_price_per_million_tokens"))
    if read_price is None:
        return None
    return Price.of(read_price, written or Decimal(0))  # embeddings have no output


def dollars(value: Any) -> Decimal | None:
    """A number, or text that is one; None where it is none, or more than a price can be."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number <= MOST else None


def _pico(dollars: float | Decimal) -> int:
    return round(Decimal(str(dollars)) * PICO)

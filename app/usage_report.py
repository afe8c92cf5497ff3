"""What `GET /v1/usage` asks and answers: from its parameters to a query, from rows to JSON and CSV. Pure."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import orjson

from app.allowance import NANO_USD, usd
from app.errors import BadRequest
from app.store.usage import COLUMNS, DAY_SECONDS, HOUR_SECONDS, MOST, SUMS, Column, Query, Row, Sums

MOST_DAYS = 400
DEFAULT_DAYS = 30
EARLIEST, LATEST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2020, 2100))
COUNTS = tuple(name for name in SUMS if name != "nano_usd")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_FORMULA = re.compile(r"""((?:^|[,;:|\t\r\n])[\s"']*)(?=[=+@-])""")
"""Where a spreadsheet would begin to compute: at the begin of a cell, behind whatever may part cells, space and quotes
left out. Many do not split at the comma but at the semicolon, and then quotes in the middle of a cell hide nothing.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters as they were sent; None is not."""

    start: str | None = None
    end: str | None = None
    by: str | None = None

    def query(self, caller: str | None, now: float) -> Query:
        """The hours and columns that are meant; raises BadRequest saying what would be right."""
        end = _hour_after(now) if self.end is None else _moment("to", self.end, is_end=True)
        if self.start is None:
            start = _day_of(end - 1) - (DEFAULT_DAYS - 1) * DAY_SECONDS
        else:
            start = _moment("from", self.start, is_end=False)
        if start >= end:
            raise BadRequest("'from' must be before 'to'.", param="from")
        if end - start > MOST_DAYS * DAY_SECONDS:
            raise BadRequest(f"At most {MOST_DAYS} days can be asked at once.", param="from")
        return Query(start, end, _columns("day" if self.by is None else self.by), caller)


def _columns(text: str) -> tuple[Column, ...]:
    known: dict[str, Column] = {column: column for column in COLUMNS}
    names = [name.strip() for name in text.split(",")]
    if any(name not in known for name in names) or len(set(names)) < len(names):
        raise BadRequest(
            f"'by' must be some of {', '.join(COLUMNS)}, joined by commas, each once.", param="by"
        )
    return tuple(known[name] for name in names)


def _moment(name: str, text: str, *, is_end: bool) -> int:
    """The begin of the hour that this moment is in, or the end of it; a day ends with its last hour."""
    try:
        seconds = _seconds(text, is_end=is_end)
    except (ValueError, OverflowError):
        seconds = -1.0
    if not EARLIEST <= seconds <= LATEST:
        raise BadRequest(
            f"'{name}' must be a day like 2026-01-31, a moment like 2026-01-31T12:00:00Z, or seconds since 1970.",
            param=name,
        )
    return _hour_after(seconds) if is_end else int(seconds) // HOUR_SECONDS * HOUR_SECONDS


def _seconds(text: str, *, is_end: bool) -> float:
    if _SECONDS.fullmatch(text):
        return float(text)
    if _DAY.fullmatch(text):
        day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return (day + timedelta(days=is_end)).timestamp()
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that was not escaped comes as a space
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _hour_after(seconds: float) -> int:
    """The end of the hour, where it is not one's begin."""
    return -(-math.ceil(seconds) // HOUR_SECONDS) * HOUR_SECONDS


def _day_of(seconds: int) -> int:
    return seconds // DAY_SECONDS * DAY_SECONDS


def total(rows: Iterable[Row]) -> Sums:
    """All of it together, each sum at most MOST."""
    sums = [each for _, each in rows]
    return Sums(*(min(sum(getattr(each, name) for each in sums), MOST) for name in SUMS))


def described(sums: Sums) -> Mapping[str, int | float]:
    """Counts by name, and the cost in US dollars."""
    return {name: getattr(sums, name) for name in COUNTS} | {"cost_usd": sums.nano_usd / NANO_USD}


def columns(query: Query, values: Sequence[str | int]) -> Mapping[str, str]:
    """What a row is told apart by, as text."""
    return {name: _text(name, value) for name, value in zip(query.by, values, strict=True)}


def moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(column: Column, value: str | int) -> str:
    if isinstance(value, str):
        return value
    return moment(value)[:10] if column == "day" else moment(value)


def document(query: Query, rows: Sequence[Row], delay_seconds: float, prices: str) -> bytes:
    """The rows as JSON, with their total."""
    return orjson.dumps({
        "object": "usage",
        "from": moment(query.start),
        "to": moment(query.end),
        "delay_seconds": delay_seconds,
        "prices": prices,
        "data": [{**columns(query, values), **described(sums)} for values, sums in rows],
        "total": described(total(rows)),
    })


def table(query: Query, rows: Iterable[Row]) -> str:
    """The rows as CSV (RFC 4180), with a head; names in quotes, exact dollars, and no cell that a spreadsheet would
    compute.
    """
    lines = [_line([*query.by, *COUNTS, "cost_usd"], [])]
    for values, sums in rows:
        numbers = [*(str(getattr(sums, name)) for name in COUNTS), usd(sums.nano_usd)]
        lines.append(_line(map(_harmless, columns(query, values).values()), numbers))
    return "".join(lines)


def _line(names: Iterable[str], numbers: Iterable[str]) -> str:
    quoted = ('"' + name.replace('"', '""') + '"' for name in names)
    return ",".join([*quoted, *numbers]) + "\r\n"


def _harmless(name: str) -> str:
    """With an apostrophe before what would be a formula, wherever a spreadsheet splits the line."""
    return _FORMULA.sub(r"\1'", name)

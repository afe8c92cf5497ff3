"""Questions about records in JSON: a cell, how many, the most, and a whole record."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, TypeAlias

from app.ab.suites.drawn import Drawn

Row: TypeAlias = Mapping[str, Any]

_CITIES = ("Graz", "Lyon", "Porto", "Oslo", "Turin", "Malmö", "Ghent", "Brno")
_TEAMS = ("billing", "search", "mobile", "platform", "support")
_STATES = ("on time", "boarding", "delayed", "cancelled")
_CATEGORIES = ("lamps", "chairs", "shelves", "rugs")
_FIRST = ("Ada", "Boris", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hana", "Ivo", "June")
_LAST = ("Novak", "Rossi", "Larsen", "Weber", "Okafor", "Silva", "Petrov", "Moreau")


def draw(chance: Random) -> Drawn:
    """A table of 25 to 60 records, and one question about it."""
    make = chance.choice((_product, _flight, _person))
    rows = [make(chance, number) for number in chance.sample(range(100, 1_000), chance.randrange(25, 61))]
    drawn = chance.choice(_ASKING)(chance, rows)
    data = chance.choice((_compact, _pretty, _lines, _wrapped))(rows)
    return Drawn(drawn.part, drawn.asked, drawn.answer, drawn.kind, data, "json")


def _product(chance: Random, number: int) -> Row:
    return {
        "id": f"P-{number}",
        "category": chance.choice(_CATEGORIES),
        "price": round(chance.uniform(4, 900), 2),
        "stock": chance.randrange(0, 500),
        "warehouse": chance.choice(_CITIES),
        "active": chance.random() < 0.8,
        "changed": str(date(2025, 1, 1) + timedelta(days=chance.randrange(700))),
    }


def _flight(chance: Random, number: int) -> Row:
    origin, target = chance.sample(_CITIES, 2)
    return {
        "id": f"HB{number}",
        "from": origin,
        "to": target,
        "departs": f"2026-07-{chance.randrange(1, 31):02}T{chance.randrange(24):02}:{chance.randrange(0, 60, 5):02}",
        "gate": f"{chance.choice('ABCD')}{chance.randrange(1, 40)}",
        "seats": chance.randrange(0, 190),
        "state": chance.choice(_STATES),
    }


def _person(chance: Random, number: int) -> Row:
    return {
        "id": f"u{number}",
        "name": f"{chance.choice(_FIRST)} {chance.choice(_LAST)}",
        "team": chance.choice(_TEAMS),
        "city": chance.choice(_CITIES),
        "extension": chance.randrange(1_000, 9_999),
        "since": str(date(2012, 1, 1) + timedelta(days=chance.randrange(5_000))),
        "manager": None if chance.random() < 0.1 else f"u{chance.randrange(100, 1_000)}",
    }


def _compact(rows: Sequence[Row]) -> str:
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def _pretty(rows: Sequence[Row]) -> str:
    return json.dumps(rows, indent=2, ensure_ascii=False)


def _lines(rows: Sequence[Row]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def _wrapped(rows: Sequence[Row]) -> str:
    return json.dumps({"count": len(rows), "next": None, "items": rows}, ensure_ascii=False)


def _cell(chance: Random, rows: Sequence[Row]) -> Drawn:
    row = chance.choice(rows)
    name = chance.choice([name for name, value in row.items() if name != "id" and isinstance(value, str)])
    return Drawn("cell", f"What is `{name}` of the record with the id {row['id']}?", row[name])


def _number(chance: Random, rows: Sequence[Row]) -> Drawn:
    row = chance.choice(rows)
    name = chance.choice(_numeric(row))
    asked = f"What is `{name}` of the record with the id {row['id']}?"
    return Drawn("number", asked, row[name], "number")


def _count(chance: Random, rows: Sequence[Row]) -> Drawn:
    """Of a value that several records share, as far as one does."""
    names = [name for name in rows[0] if len({row[name] for row in rows}) <= len(_CITIES)]
    name = chance.choice([each for each in names if isinstance(rows[0][each], str)])
    value = chance.choice(rows)[name]
    asked = f"How many records have the value {json.dumps(value, ensure_ascii=False)} as `{name}`?"
    return Drawn("count", asked, sum(row[name] == value for row in rows), "number")


def _most(chance: Random, rows: Sequence[Row]) -> Drawn:
    name = chance.choice(_numeric(rows[0]))
    most = max(row[name] for row in rows)
    ids = [row["id"] for row in rows if row[name] == most]
    return Drawn("most", f"What is the id of the record with the highest `{name}`?", ids, "one_of")


def _record(chance: Random, rows: Sequence[Row]) -> Drawn:
    row = chance.choice(rows)
    asked = f"Give the record with the id {row['id']} as one JSON object, with every member as it is."
    return Drawn("record", asked, row, "json")


def _numeric(row: Row) -> Sequence[str]:
    return [
        name for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)
    ]


_ASKING: Sequence[Callable[[Random, Sequence[Row]], Drawn]] = (_cell, _number, _count, _most, _record)

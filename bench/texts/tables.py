"""Tables and documents: of this machine's packages, and made up from one seed."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bench.texts.logs import drawn
from bench.texts.machine import said

ROWS = 250
_PACKAGE_FIELDS = ("Package", "Version", "Architecture", "Section", "Priority", "Installed-Size")
_CITIES = ("Amsterdam", "Belgrade", "Chicago", "Dallas", "Helsinki", "Porto", "Seattle", "Tbilisi")
_NAMES = ("Anna", "Bilal", "Chen", "Daria", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jana")
_FAMILIES = ("Adams", "Brown", "Costa", "Dvorak", "Eriksen", "Fischer", "Garcia", "Haddad")


def packages_pretty() -> str:
    return json.dumps(_packages(), indent=2)


def packages_spaced() -> str:
    return json.dumps(_packages())


def packages_compact() -> str:
    return compact(_packages())


def packages_lines() -> str:
    return "".join(compact(each) + "\n" for each in _packages())


def inventory() -> str:
    """An API's page: an array among other members, some columns constant, numbers as a shop writes them."""
    chance = drawn("inventory")
    items = [
        {
            "sku": f"SKU-{chance.randrange(10**5, 10**6)}",
            "warehouse": "AMS-2",
            "currency": "EUR",
            "price": round(chance.uniform(1, 400), 2),
            "stock": chance.randrange(500),
            "active": True,
            "discontinued_at": None,
            "title": f"{chance.choice(('Blue', 'Red', 'Steel'))} {chance.choice(('kettle', 'lamp', 'chair, folding', 'shelf'))} {chance.randrange(1, 40)}",
        }
        for _ in range(180)
    ]
    return compact({"object": "list", "total": 1204, "page": 3, "items": items, "next": "/v1/items?page=4"})


def ticks_json() -> str:
    return compact(list(_ticks()))


def ticks_csv() -> str:
    return _csv(list(_ticks()))


def candles_json() -> str:
    return compact(list(_candles()))


def candles_csv() -> str:
    return _csv(list(_candles()))


def reservations() -> str:
    """Nested and uniform: each with an address, flights and passengers."""
    chance = drawn("reservations")
    return compact([_reservation(chance, number) for number in range(70)])


def users() -> str:
    """Not uniform: orders stand under keys of their own, and each user has other ones."""
    chance = drawn("users")
    return compact({f"user_{chance.randrange(1000, 9999)}_{number}": _user(chance) for number in range(70)})


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _packages() -> list[dict[str, str]]:
    form = "\t".join(f"${{{field}}}" for field in _PACKAGE_FIELDS) + "\n"
    lines = said("dpkg-query", "-W", "-f", form).splitlines()[:ROWS]
    return [
        dict(zip((*_PACKAGE_FIELDS, "Status"), (*line.split("\t"), "installed"), strict=True))
        for line in lines
    ]


def _ticks() -> Iterator[dict[str, Any]]:
    chance, price, at = drawn("ticks"), 1.0842, 1_773_036_843_117
    for _ in range(300):
        at, price = at + chance.randrange(20, 900), price + chance.gauss(0, 0.00008)
        spread = chance.choice((0.00008, 0.0001, 0.00012))
        yield {
            "t": at,
            "symbol": "EURUSD",
            "bid": round(price, 5),
            "ask": round(price + spread, 5),
            "volume": chance.randrange(1, 60) * 100_000,
        }


def _candles() -> Iterator[dict[str, Any]]:
    chance, price, at = drawn("candles"), 64_120.0, datetime(2026, 3, 9, tzinfo=UTC)
    for _ in range(240):
        start, at = price, at + timedelta(minutes=5)
        price += chance.gauss(0, 90)
        yield {
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "open": round(start, 1),
            "high": round(max(start, price) + abs(chance.gauss(0, 30)), 1),
            "low": round(min(start, price) - abs(chance.gauss(0, 30)), 1),
            "close": round(price, 1),
            "volume": round(chance.uniform(2, 90), 4),
        }


def _reservation(chance: Random, number: int) -> dict[str, Any]:
    first, last = chance.choice(_NAMES), chance.choice(_FAMILIES)
    return {
        "reservation_id": f"{chance.getrandbits(28):07X}"[:6],
        "user_id": f"{first.lower()}_{last.lower()}_{chance.randrange(1000, 9999)}",
        "address": {
            "city": chance.choice(_CITIES),
            "country": "NL",
            "zip": str(chance.randrange(10_000, 99_999)),
        },
        "cabin": chance.choice(("economy", "basic_economy", "business")),
        "flights": [_flight(chance, number + hop) for hop in range(chance.randrange(1, 4))],
        "passengers": [_passenger(chance) for _ in range(chance.randrange(1, 4))],
        "total_baggages": chance.randrange(4),
        "insurance": chance.choice(("yes", "no")),
    }


def _flight(chance: Random, day: int) -> dict[str, Any]:
    origin, destination = chance.sample(_CITIES, 2)
    date = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=day % 28)
    return {
        "flight_number": f"HAT{chance.randrange(300):03}",
        "origin": origin[:3].upper(),
        "destination": destination[:3].upper(),
        "date": f"{date:%Y-%m-%d}",
        "price": chance.randrange(50, 200),
    }


def _passenger(chance: Random) -> dict[str, Any]:
    born = datetime(1950, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(20_000))
    return {
        "first_name": chance.choice(_NAMES),
        "last_name": chance.choice(_FAMILIES),
        "dob": f"{born:%Y-%m-%d}",
    }


def _user(chance: Random) -> dict[str, Any]:
    first, last = chance.choice(_NAMES), chance.choice(_FAMILIES)
    orders = [f"#W{chance.randrange(10**6, 10**7)}" for _ in range(chance.randrange(1, 5))]
    return {
        "name": {"first_name": first, "last_name": last},
        "email": f"{first.lower()}.{last.lower()}{chance.randrange(1000, 9999)}@example.com",
        "payment_methods": {f"paypal_{chance.randrange(10**6, 10**7)}": {"source": "paypal"}},
        "orders": {
            order: {
                "status": chance.choice(("delivered", "pending")),
                "total": round(chance.uniform(9, 900), 2),
            }
            for order in orders
        },
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()

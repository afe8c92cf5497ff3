"""`hyperbridge keys new | create | list | revoke | rotate`: they work on the store, whether a gateway runs or not."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from app import config
from app.config.schema import ALL_MODELS
from app.contracts import PRIORITIES
from app.invalid import faults
from app.keys.wanted import (
    WantedKey,
    duration_seconds,
    grace_seconds,
    moment,
    new_key,
    of_file,
    seconds_of,
    told,
    unknown_models,
)
from app.store.faults import StoreFault
from app.store.keys import StoredKey, StoredKeys

Load: TypeAlias = Callable[[Path], config.Config]

MEASURES = ("requests", "tokens", "usd")
_COLUMNS = ("id", "source", "models", "limits", "priority", "expires", "state")


def add(commands: Any, add_config: Callable[[argparse.ArgumentParser], None], load: Load) -> None:
    """Put the commands under `hyperbridge keys`; `load` reads the configuration, or ends with what is wrong in it."""
    new = commands.add_parser("new", help="make a key for the file, and the lines that let it in")
    new.add_argument("name", type=_id, help="what the key is called in logs: letters, digits, _ and -")
    new.set_defaults(run=_new)

    create = commands.add_parser("create", help="make a key in the database, and show it this once")
    create.add_argument("id", type=_id, help="what the key is called in logs: letters, digits, _ and -")
    models = create.add_mutually_exclusive_group()
    models.add_argument(
        "--models", type=_names, default=(), help="those it may use, joined by commas; none without"
    )
    models.add_argument("--all-models", action="store_true", help="it may use every model")
    for measure in MEASURES:
        create.add_argument(
            f"--{measure}", action="append", default=[], metavar="N/PERIOD", help=f"{measure} in a period"
        )
    create.add_argument("--concurrent", type=int, metavar="N", help="calls that may run at once")
    create.add_argument(
        "--priority", choices=PRIORITIES, default="normal", help="who goes first where calls wait"
    )
    create.add_argument(
        "--weight", type=int, default=1, metavar="N", help="its share beside others that wait"
    )
    create.add_argument("--admin", action="store_true", help="it may manage keys, and see the usage of all")
    create.add_argument("--expires", type=_end, metavar="30d|DATE", help="when it ends; never without")
    create.add_argument(
        "--metadata", type=_pair, action="append", default=[], metavar="NAME=TEXT", help="kept beside it"
    )
    create.set_defaults(run=lambda options: _run(options, load, _create))

    rotate = commands.add_parser("rotate", help="put another key in its place, and show it this once")
    rotate.add_argument("id")
    rotate.add_argument(
        "--grace",
        type=_grace,
        default=0,
        metavar="1h",
        help="how long the one before still counts; not at all without",
    )
    rotate.set_defaults(run=lambda options: _run(options, load, _rotate))

    revoke = commands.add_parser("revoke", help="end a key, for good")
    revoke.add_argument("id")
    revoke.set_defaults(run=lambda options: _run(options, load, _revoke))

    listing = commands.add_parser("list", help="show every key, those of the file too")
    listing.set_defaults(run=lambda options: _run(options, load, _list))

    for command in (create, rotate, revoke, listing):
        add_config(command)
        command.add_argument("--json", action="store_true", help="answer in JSON")


def _new(options: argparse.Namespace) -> None:
    key, digest = new_key(options.name)
    print(f"The key, shown this once:\n\n  {key}\n\nIn hyperbridge.yaml:\n")
    print(f'keys:\n  - {{id: {options.name}, sha256: {digest}, models: ["*"]}}')


class _Refused(Exception):
    """What was asked cannot be done; the message says why."""


_Act: TypeAlias = Callable[[argparse.Namespace, config.Config, StoredKeys], Coroutine[Any, Any, None]]


def _run(options: argparse.Namespace, load: Load, act: _Act) -> None:
    settings = load(options.config)
    try:
        asyncio.run(_opened(options, settings, act))
    except (StoreFault, _Refused) as refused:
        print(refused, file=sys.stderr)
        sys.exit(2)


async def _opened(options: argparse.Namespace, settings: config.Config, act: _Act) -> None:
    if settings.store.url is None:
        raise _Refused(
            "there is no database: store.url is null; `hyperbridge keys new NAME` makes a key for the file"
        )
    from app.store.opening import opened  # noqa: PLC0415 - what it imports takes a third of a second

    async with opened(settings.store.url.get_secret_value()) as store:
        await act(options, settings, store.keys)


async def _create(options: argparse.Namespace, settings: config.Config, keys: StoredKeys) -> None:
    limits = {measure: getattr(options, measure) for measure in MEASURES}
    asked = {
        "id": options.id,
        "models": [ALL_MODELS] if options.all_models else options.models,
        "limits": limits | {"concurrent": options.concurrent},
        "priority": options.priority,
        "weight": options.weight,
        "admin": options.admin,
        "expires_at": options.expires,
        "metadata": dict(options.metadata),
    }
    try:
        wanted = WantedKey.model_validate_json(json.dumps(asked))
    except ValidationError as invalid:
        raise _Refused("\n".join(f"{place}: {message}" for place, message in faults(invalid))) from None
    if unknown := unknown_models(wanted.models, settings.models, settings.upstreams):
        raise _Refused(f"models: {unknown[0]!r} is neither a configured model nor upstream/model")
    if any(key.id == wanted.id for key in settings.keys):
        raise _Refused(f"the configuration has a key {wanted.id!r}: choose another id")
    key, stored = wanted.made(time.time())
    await keys.add(stored)
    _show(options, key, stored, "" if wanted.models else "It may use no model: none was listed.")


async def _rotate(options: argparse.Namespace, settings: config.Config, keys: StoredKeys) -> None:
    _not_of_file(options.id, settings)
    key, digest = new_key(options.id)
    stored = await keys.rotate(options.id, digest, time.time(), options.grace)
    ends = "within a second"
    if options.grace and stored.previous_until is not None:
        ends = f"at {moment(stored.previous_until)}"
    _show(options, key, stored, f"The one before ends {ends}.")


async def _revoke(options: argparse.Namespace, settings: config.Config, keys: StoredKeys) -> None:
    _not_of_file(options.id, settings)
    stored = await keys.revoke(options.id, time.time())
    if options.json:
        print(json.dumps(told(stored, time.time()), indent=2))
    else:
        print(f"The key {options.id} is revoked: within a second no gateway lets it in.")


async def _list(options: argparse.Namespace, settings: config.Config, keys: StoredKeys) -> None:
    now = time.time()
    found = await keys.all()
    for damaged in found.damaged:
        print(f"the row of the key {damaged[:64]!r} is damaged: it does not count", file=sys.stderr)
    listed = [
        *(told(of_file(key), now, "file") for key in settings.keys),
        *(told(key, now) for key in found.keys),
    ]
    if options.json:
        print(json.dumps(listed, indent=2))
        return
    rows = [_COLUMNS, *(_row(key) for key in listed)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _show(options: argparse.Namespace, key: str, stored: StoredKey, remark: str) -> None:
    if options.json:
        print(json.dumps({"key": key, **told(stored, time.time())}, indent=2))
        return
    print(f"The key, shown this once:\n\n  {key}\n")
    if remark:
        print(remark)


def _row(key: Mapping[str, Any]) -> Sequence[str]:
    limits = key["limits"]
    bounds = [f"{bound} {measure}" for measure in MEASURES for bound in limits[measure]]
    if limits["concurrent"] is not None:
        bounds.append(f"{limits['concurrent']} at once")
    return (
        key["id"] + (" (admin)" if key["admin"] else ""),
        key["source"],
        ",".join(key["models"]) or "none",
        ", ".join(bounds) or "none",
        key["priority"],
        key["expires_at"] or "never",
        key["state"],
    )


def _not_of_file(id: str, settings: config.Config) -> None:  # noqa: A002
    if any(key.id == id for key in settings.keys):
        raise _Refused(f"the key {id!r} stands in the configuration's file: change it there")


def _id(text: str) -> str:
    try:
        WantedKey(id=text)
    except ValidationError as invalid:
        raise argparse.ArgumentTypeError("; ".join(message for _, message in faults(invalid))) from None
    return text


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("a name and a text, like team=search")
    return name, value


def _grace(text: str) -> int:
    try:
        return grace_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _end(text: str) -> str:
    """A moment that is yet to come: in so long, or by its date."""
    now = time.time()
    try:
        seconds = now + duration_seconds(text)
    except ValueError:
        try:
            seconds = seconds_of(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, or a time from now like 30d or 12h") from None
    if seconds <= now:
        raise argparse.ArgumentTypeError("must be a moment that is yet to come")
    return moment(seconds)

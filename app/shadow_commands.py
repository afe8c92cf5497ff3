"""`hyperbridge router shadow`: what was compared, from the database, whether a gateway runs or not."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from app import config
from app.keys.wanted import duration_seconds
from app.shadow_report import lines, reports, table
from app.store.faults import StoreFault
from app.store.shadows import Comparison


def add(
    commands: Any,
    add_config: Callable[[argparse.ArgumentParser], None],
    load: Callable[[Path], config.Config],
) -> None:
    """Put the command under `hyperbridge router`."""
    shadow = commands.add_parser(
        "shadow", help="show how shadows have answered beside the models they follow"
    )
    add_config(shadow)
    shadow.add_argument("name", nargs="?", help="the name of `models` whose shadow is meant; all without")
    shadow.add_argument("--since", type=_duration, default="7d", metavar="7d", help="how far back (7d)")
    shadow.add_argument("--csv", action="store_true", help="answer in CSV")
    shadow.set_defaults(run=lambda options: _shadow(options, load(options.config)))


def _shadow(options: argparse.Namespace, settings: config.Config) -> None:
    if settings.store.url is None:
        _end("shadows need a database: name one in store.url")
    try:
        found = asyncio.run(_found(settings.store.url.get_secret_value(), options))
    except StoreFault as fault:
        _end(str(fault))
    told = reports(found)
    if options.csv:
        print(table(told), end="")
    elif told:
        print("\n\n".join("\n".join(lines(report)) for report in told))
    else:
        print("no shadow has answered in this time")


async def _found(url: str, options: argparse.Namespace) -> Sequence[Comparison]:
    from app.store.opening import opened  # noqa: PLC0415 - what it imports takes a third of a second

    async with opened(url) as store:
        return await store.shadows.since(time.time() - options.since, options.name)


def _duration(text: str) -> int:
    try:
        return duration_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _end(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)

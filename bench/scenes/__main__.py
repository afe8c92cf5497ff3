"""`python -m bench.scenes`: what scenes save, what that is worth behind a prefix cache, and what it takes."""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from app.codecs.vocabularies import Unreadable, found_in
from bench.scenes.cache import cache
from bench.scenes.gateway import Gateway
from bench.scenes.printed import Part, markdown
from bench.scenes.saving import saving
from bench.scenes.speed import speed
from bench.texts import missing, sessions, texts

ROUNDS = 15
_LONG = "24 outputs"


def main() -> int:
    """Prints tables; a missed goal is printed and no more."""
    options = _parser().parse_args()
    try:
        gateway = Gateway(found_in(options.tokenizers))
    except Unreadable as failure:
        print(failure, file=sys.stderr)
        return 1
    parts = []
    for name in [options.only] if options.only else _PARTS:
        parts.append(_PARTS[name](gateway, options.rounds))
        print(markdown(parts[-1]), end="\n\n")
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}"
    print(f"{when}. Texts that this machine lacks: {', '.join(missing()) or 'none'}.")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(part) for part in parts], indent=1) + "\n", "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(prog="python -m bench.scenes", description=__doc__)
    asked.add_argument("--only", choices=list(_PARTS), help="one part, default all")
    asked.add_argument("--rounds", type=int, default=ROUNDS, help=f"of speed, default {ROUNDS}")
    asked.add_argument("--tokenizers", type=Path, default=Path(".tokenizers"), help="default .tokenizers")
    asked.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    return asked


def _saving(gateway: Gateway, _rounds: int) -> Part:
    return saving(gateway, list(texts()), without=Gateway({}))


def _cache(gateway: Gateway, _rounds: int) -> Part:
    return cache(gateway, {_LONG: sessions.sre_session(), "JSON of an API": sessions.agent_session()}, _LONG)


def _speed(gateway: Gateway, rounds: int) -> Part:
    return speed(gateway, list(texts()), rounds)


_PARTS: Mapping[str, Callable[[Gateway, int], Part]] = {"saving": _saving, "cache": _cache, "speed": _speed}


if __name__ == "__main__":
    sys.exit(main())

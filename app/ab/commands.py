"""`hyperbridge ab`: a running gateway is asked, as any client asks it."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from app.ab.faults import NotAsked, Refused
from app.config.faults import ConfigError
from app.contracts import LAYERS

NAMES = ("logs", "tables", "dialogue", "rag")
COMPARABLE = tuple(layer for layer in LAYERS if layer not in {"off", "shadow", "auto"})
_INTERRUPTED = 130


def add(commands: Any) -> None:
    """Put the command under `hyperbridge`."""
    ab = commands.add_parser(
        "ab", help="prove that a model answers as well where its prompts are said in fewer tokens"
    )
    ab.add_argument("--model", required=True, help="the model as a client names it")
    ab.add_argument("--layer", required=True, choices=COMPARABLE, help="what is compared with raw prompts")
    ab.add_argument(
        "--suite",
        required=True,
        nargs="+",
        metavar="SUITE",
        help=f"{', '.join(NAMES)}, or a file of questions (.jsonl); several share the questions",
    )
    ab.add_argument(
        "--url", type=_url, default="http://127.0.0.1:8000", help="the gateway (http://127.0.0.1:8000)"
    )
    ab.add_argument(
        "--key-env",
        default="HYPERBRIDGE_KEY",
        metavar="NAME",
        help="the environment variable with the key, where the gateway wants one (HYPERBRIDGE_KEY)",
    )
    _add_design(ab)
    _add_output(ab)
    ab.set_defaults(run=_ab)


def _add_design(ab: argparse.ArgumentParser) -> None:
    ab.add_argument("--questions", type=_positive, default=400, metavar="N", help="how many (400)")
    ab.add_argument("--replicates", type=_positive, default=1, metavar="N", help="times in each arm (1)")
    ab.add_argument("--seed", type=int, default=1, help="of the questions and of every order (1)")
    ab.add_argument("--concurrency", type=_positive, default=8, metavar="N", help="calls at once (8)")
    ab.add_argument("--timeout", type=_positive, default=300, metavar="S", help="seconds for one call (300)")
    ab.add_argument(
        "--temperature", type=_temperature, default=0.0, metavar="T", help="`none` leaves it to the model (0)"
    )
    ab.add_argument("--max-tokens", type=_positive, metavar="N", help="of an answer; the model's own without")
    ab.add_argument(
        "--place",
        choices=("fenced", "tool"),
        default="fenced",
        help="where made-up data stands: in the user's text, or as what a tool gave back (fenced)",
    )
    ab.add_argument(
        "--margin",
        type=_points,
        metavar="POINTS",
        help="how many points fewer right answers are as good (2; 1 for safe)",
    )
    ab.add_argument(
        "--tolerance", type=_amount, default=0.0, metavar="X", help="how far a number may be off (0)"
    )


def _add_output(ab: argparse.ArgumentParser) -> None:
    ab.add_argument("--out", type=Path, metavar="FILE", help="write the report here, as one HTML page")
    ab.add_argument("--proofs", type=Path, metavar="FILE", help="put the proof into this file (JSON)")
    ab.add_argument("--replies", type=Path, metavar="FILE", help="where replies are kept until the end")
    ab.add_argument("--resume", action="store_true", help="go on with the replies of a run that was stopped")


def _url(text: str) -> str:
    """Without the `/v1` that clients have in it."""
    if not text.startswith(("http://", "https://")) or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError("a URL like http://127.0.0.1:8000")
    return text.rstrip("/").removesuffix("/v1")


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError("a whole number from 1 to 1000000")
    return int(text)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError("a number from 0 on")
    return amount


def _points(text: str) -> float:
    points = _amount(text)
    if not 0 < points <= 50:
        raise argparse.ArgumentTypeError("points above 0, at most 50")
    return points / 100


def _temperature(text: str) -> float | None:
    return None if text == "none" else _amount(text)


def _ab(options: argparse.Namespace) -> None:
    """Exits with 0 where it is proved, 1 where it is not, 2 where it could not be asked, 130 after Ctrl-C."""
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # little is computed: threads would wait for each other
    from app.ab import proving  # noqa: PLC0415 - numpy and an HTTP client take 0.3 s

    replies = proving.replies_file(options)
    try:
        is_proved = proving.prove(options, replies, print)
    except KeyboardInterrupt:
        _end(f"\nstopped; what was answered is kept in {replies}: --resume goes on with it", _INTERRUPTED)
    except Refused as refused:
        _end(
            f"the gateway at {options.url}: {refused}; when that is mended, --resume goes on with what was answered"
        )
    except (NotAsked, ConfigError) as fault:
        _end(str(fault))
    except OSError as error:
        _end(f"{error.filename}: {error.strerror}")
    sys.exit(0 if is_proved else 1)


def _end(message: str, status: int = 2) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)

"""The command `hyperbridge upstream-sim`: the twin as a server of its own."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from sim import pages
from sim.house import House, Plain
from sim.limits import WINDOW_SECONDS, Limits
from sim.nebius import MODELS, Nebius
from sim.server import Twin
from sim.vllm import Vllm

KEPT = 10_000
"""Requests that /sim/seen tells of."""


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal; exits with 2 for a wrong command line, with 1 where it cannot listen."""
    parser = _parser()
    options = parser.parse_args(arguments)
    wrong = _wrong(options)
    if wrong:
        parser.error(wrong)
    asyncio.run(_serve(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperbridge upstream-sim",
        description="A fake upstream, to try a configuration without keys and without a GPU.",
        epilog=pages.text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=9000, help="default: 9000; 0 takes a free one", metavar="N"
    )
    parser.add_argument(
        "--kind",
        choices=("nebius", "vllm", "openai"),
        default="openai",
        help="what it plays (default: openai)",
    )
    parser.add_argument("--api-key", default="", metavar="K", help="let in who has this key alone")
    parser.add_argument(
        "--model", nargs="+", metavar="NAME", help="the models that it serves, in the place of its own list"
    )
    parser.add_argument(
        "--lora", nargs="+", default=[], metavar="NAME", help="adapters that it serves (vllm, openai)"
    )
    limits = parser.add_argument_group("limits of a Nebius project, which grow and shrink with their use")
    limits.add_argument("--limit-requests", type=_positive, metavar="N", help="requests per minute")
    limits.add_argument("--limit-tokens", type=_positive, metavar="N", help="tokens per minute")
    limits.add_argument(
        "--limit-window", type=_positive, metavar="S", help="seconds after which they change (default: 900)"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("a whole number above 0")
    return int(text)


def _wrong(options: argparse.Namespace) -> str:
    """What does not go together; "" where all does."""
    given = (options.limit_requests, options.limit_tokens)
    if any((*given, options.limit_window)) and options.kind != "nebius":
        return "limits are those of --kind nebius"
    if (any(given) or options.limit_window) and not all(given):
        return "--limit-requests and --limit-tokens go together"
    if options.lora and options.kind == "nebius":
        return "--lora is for --kind vllm and openai"
    return ""


def _house(options: argparse.Namespace, now: float) -> House:
    """The upstream that is played."""
    if options.kind == "vllm":
        return Vllm(options.model or ("twin",), options.lora, options.api_key)
    if options.kind == "openai":
        return Plain(options.model or ("twin",), options.lora, options.api_key)
    limits = None
    if options.limit_requests:
        window = options.limit_window or WINDOW_SECONDS
        limits = Limits(options.limit_requests, options.limit_tokens, now, window)
    return Nebius(options.model or MODELS, options.api_key, limits)


async def _serve(options: argparse.Namespace) -> None:
    now = asyncio.get_running_loop().time()
    twin = Twin(house=_house(options, now), keeps=KEPT, keeps_bodies=False)
    try:
        port = await twin.start(options.host, options.port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        sys.exit(f"cannot listen on {options.host}:{options.port}: {reason}; choose another with --port")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(_welcome(options, port), flush=True)
    await stopped.wait()
    await twin.stop()


def _welcome(options: argparse.Namespace, port: int) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}"
    place = f'replicas: ["{url}/v1"]' if options.kind == "vllm" else f'url: "{url}/v1"'
    key = ", api_key: THE_KEY" if options.api_key or options.kind == "nebius" else ""
    return (
        f"A fake upstream of the kind {options.kind} listens on {url}\n\n"
        f"  upstreams:\n    sim: {{kind: {options.kind}, {place}{key}}}\n\n"
        f"Faults: {url}/sim   What came: {url}/sim/seen"
    )

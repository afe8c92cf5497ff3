"""The command line: `hyperbridge serve | check | keys | router | scenes | ab | train | upstream-sim | version`."""

import argparse
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from app import (
    codebook_commands,
    config,
    explaining,
    logs,
    scene_commands,
    scene_files,
    server,
    shadow_commands,
)
from app.ab import commands as ab_commands
from app.config.comparing import difference
from app.config.editor import editor_schema
from app.config.lasting import after_restart
from app.config.values import is_loopback
from app.draining import Draining
from app.keys import commands as key_commands
from app.loras import commands as lora_commands
from app.routing import commands as router_commands
from app.routing.templates import looked_into
from app.store.glance import may_have_keys
from app.version import VERSION
from app.worker import CONFIG, COUNT, HASH_KEY, SIGNING_KEY, SPARE
from app.workers import SHARED_METRICS, Workers

BACKLOG = 2048
SIGNING_CHARACTERS = 32


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exits with 2 where the command line or the configuration is wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperbridge", description="An OpenAI-compatible inference gateway."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    serve = commands.add_parser("serve", help="start the gateway")
    _add_config(serve)
    serve.add_argument("--port", type=_port, help="listen here instead of server.port; 0 takes a free one")
    serve.add_argument("--workers", type=_workers, help="processes, instead of server.workers")
    serve.set_defaults(run=_serve)

    check = commands.add_parser(
        "check", help="read the configuration, say what is wrong, show what is in force"
    )
    _add_config(check)
    check.add_argument(
        "--diff",
        type=Path,
        metavar="OTHER",
        help="show what the other file says otherwise, and what needs a restart",
    )
    check.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of the file, for editors, and read nothing",
    )
    check.set_defaults(run=_check)

    keys = commands.add_parser("keys", help="make, list, end and replace API keys")
    key_commands.add(keys.add_subparsers(required=True, metavar="action"), _add_config, _load)

    router = commands.add_parser("router", help="explain, train and measure how modes and models are chosen")
    actions = router.add_subparsers(required=True, metavar="action")
    explaining.add(actions, _add_config, _load)
    router_commands.add(actions, router_commands.Means(_add_config, _load, _embedded))
    shadow_commands.add(actions, _add_config, _load)

    scenes = commands.add_parser(
        "scenes", help="say texts in fewer tokens, and back; make and review codebooks"
    )
    actions = scenes.add_subparsers(required=True, metavar="action")
    scene_commands.add(actions)
    codebook_commands.add(actions)

    lora = commands.add_parser("lora", help="which adapters vLLM servers have: list, load, unload, pin, roll")
    lora_commands.add(lora.add_subparsers(required=True, metavar="action"))

    ab_commands.add(commands)

    _add_programs(commands)

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=lambda _: print(VERSION))
    return parser


def _add_programs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Commands that read their own options, `--help` among them."""
    for name, told, run in (
        ("train", "make hypertokens and adapters that speak them (needs the extra `train`)", _train),
        ("upstream-sim", "start a fake upstream, to try a configuration with", _simulate),
    ):
        program = commands.add_parser(name, help=told, add_help=False, prefix_chars=" ")
        program.add_argument("arguments", nargs="*")
        program.set_defaults(run=run)


def _embedded(
    settings: config.Config,
    name: str,
    dimensions: int | None,
    texts: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[str, Sequence[Sequence[float]]]:
    from app.encoder_asking import embedded  # noqa: PLC0415 - few train, and it knows all upstreams

    return embedded(settings, name, dimensions, texts, tell)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get(CONFIG, "hyperbridge.yaml")),
        help="the configuration file (default: $HYPERBRIDGE_CONFIG, else hyperbridge.yaml)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("a number from 1 to 64")
    return int(text)


def _load(path: Path) -> config.Config:
    try:
        return config.load(path, config.read_environment(path.absolute().parent))
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _looked_into(path: Path) -> config.Config:
    """The configuration, its prompt templates read as well; warnings are told."""
    try:
        settings = looked_into(_load(path))
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return settings


def _check(options: argparse.Namespace) -> None:
    if options.schema:
        print(json.dumps(editor_schema(), indent=2, ensure_ascii=False))
        return
    settings = _looked_into(options.config)
    wrong = [*scene_files.faults(settings.scenes)]
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        sys.exit(2)
    if options.diff is None:
        print(json.dumps(settings.redacted(), indent=2))
        return
    other = _looked_into(options.diff)
    found = difference(settings, other)
    print(found.text)
    for path in found.secrets:
        print(f"another secret: {path}")
    for name in after_restart(other, settings):
        print(f"takes effect after a restart: {name}")


def _train(options: argparse.Namespace) -> None:
    """The forge is a program of its own, in this one's place: nothing that serves imports it."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "training", *options.arguments])  # noqa: S606 - no shell is meant


def _simulate(options: argparse.Namespace) -> None:
    try:
        from sim.command import main as simulate  # noqa: PLC0415  # a gateway runs without it
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sim":
            raise
        sys.exit("upstream-sim is not part of this installation: it needs the package from the source tree")
    simulate(options.arguments)


def _serve(options: argparse.Namespace) -> None:
    settings = _looked_into(options.config)
    environment = config.read_environment(options.config.absolute().parent)
    signing_key = _signing_key(settings, environment.get(SIGNING_KEY, ""))
    _open_log(settings)
    host = settings.server.host
    listening = _listen(host, settings.server.port if options.port is None else options.port)
    os.environ[CONFIG] = str(options.config.absolute())
    os.environ[HASH_KEY] = environment.get(HASH_KEY) or secrets.token_hex(16)
    os.environ[SIGNING_KEY] = signing_key
    _welcome(settings, listening.getsockname()[1])
    workers = options.workers or settings.server.workers
    os.environ[COUNT] = str(workers)
    os.environ.pop(SHARED_METRICS, None)
    with tempfile.TemporaryDirectory(prefix="hyperbridge-") as shared:
        os.environ[SPARE] = str(Path(shared, "hyperbridge.yaml"))
        if workers > 1:
            os.environ[SHARED_METRICS] = shared
        _run(settings, workers, listening)


def _signing_key(settings: config.Config, given: str) -> str:
    """What the environment says; else one for all workers of this start, where no store keeps one for all hosts."""
    if given and len(given) < SIGNING_CHARACTERS:
        print(
            f"{SIGNING_KEY} must have at least {SIGNING_CHARACTERS} characters: `openssl rand -hex 32` makes one",
            file=sys.stderr,
        )
        sys.exit(2)
    return given or ("" if settings.store.url is not None else secrets.token_hex(32))


def _open_log(settings: config.Config) -> None:
    try:
        logs.set_up(settings.logs.level, settings.logs.file, ())
    except OSError as error:
        print(f"logs.file: cannot write {settings.logs.file}: {error.strerror}", file=sys.stderr)
        sys.exit(2)


def _run(settings: config.Config, workers: int, listening: socket.socket) -> None:
    served = server.settings(
        "app.worker:application",
        factory=True,
        workers=workers,
        drain_seconds=settings.server.drain_seconds,
        client_gap_seconds=settings.server.client_gap_seconds,
    )
    if workers == 1:
        Draining(served).run(sockets=[listening])
    elif status := Workers(served, listening).run():
        sys.exit(status)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket: clients may connect from here on, and wait until a worker takes them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        print(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port", file=sys.stderr
        )
        sys.exit(1)
    listening.set_inheritable(True)
    return listening


def _demands_keys(settings: config.Config) -> bool:
    """As far as can be seen before the start; nobody minds a key that is sent in vain."""
    store = settings.store.url
    return (
        bool(settings.keys)
        or not is_loopback(settings.server.host)
        or (store is not None and may_have_keys(store.get_secret_value()))
    )


def _welcome(settings: config.Config, port: int) -> None:
    host = settings.server.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    model = next(iter(settings.models), f"{next(iter(settings.upstreams))}/MODEL")
    key = " -H 'authorization: Bearer YOUR_KEY'" if _demands_keys(settings) else ""
    print(
        f"HyperBridge {VERSION} listens on {url}\n\n"
        f"  curl {url}/v1/chat/completions{key} -H 'content-type: application/json' \\\n"
        f'    -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'\n\n'
        f"Documents: {url}/docs   Health: {url}/healthz   Metrics: {url}/metrics",
        flush=True,
    )

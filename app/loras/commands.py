"""`hyperbridge lora`: a running gateway is told which adapters its vLLM servers shall have, and asked how far they are."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote

import httpx

from app.loras.unusable import Unusable

LOOK_SECONDS = 0.5
_INTERRUPTED = 130
Fleet: TypeAlias = Mapping[str, Any]


class NotDone(Exception):
    """What was asked was refused, or did not come about; the text says why."""


def add(actions: Any) -> None:
    """Put the actions under `hyperbridge lora`."""
    listing = actions.add_parser("list", help="show the servers, their adapters, and what names mean")
    listing.add_argument("--json", action="store_true", help="as the gateway tells it")
    listing.set_defaults(run=_doing(_list))
    for name, told, act in (
        ("load", "have a version on the servers, whatever names mean", _load),
        ("unload", "take a version off the servers; or a name, with all that it means", _unload),
        ("pin", "have a version on every server", _pin),
        ("unpin", "have a version on as many servers as its calls need", _unpin),
    ):
        action = actions.add_parser(name, help=told)
        action.add_argument(
            "name", help="a version as `list` shows it (risk@2bb12875), or a name that means one"
        )
        action.set_defaults(run=_doing(act))
        _add_wait(action)
    roll = actions.add_parser(
        "roll",
        help="let a name mean another version, one server after the other",
        description="The version is loaded and proved on every server that shall have it; then the name means it, for all calls "
        "that begin from there on. The version before stays loaded for a while (`keep_seconds`), so that --back is at once.",
    )
    roll.add_argument("name", help="the name that clients use")
    where = roll.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", metavar="VERSION", help="as `list` shows it")
    where.add_argument("--back", action="store_true", help="to the version before")
    roll.set_defaults(run=_doing(_roll))
    _add_wait(roll)
    for action in actions.choices.values():
        _add_gateway(action)
    _add_fetch(actions)


def _add_fetch(actions: Any) -> None:
    """The one that asks no gateway."""
    fetching = actions.add_parser(
        "fetch",
        help="bring an adapter into the folder that the gateway looks into",
        description="From a folder, a web address below which its files are, or Hugging Face (hf:OWNER/NAME, with @REVISION; HF_TOKEN and "
        "HF_ENDPOINT of the environment). It is checked before it is kept, under its version's name.",
    )
    fetching.add_argument("source", help="a folder, https://..., or hf:OWNER/NAME")
    fetching.add_argument(
        "--into", type=Path, required=True, metavar="FOLDER", help="loras.folder of the configuration"
    )
    fetching.add_argument(
        "--name", default="", help="what users call it; else as its manifest, or its place, says"
    )
    fetching.add_argument(
        "--base", type=Path, metavar="FOLDER", help="the base model, to see whether it fits"
    )
    fetching.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> None:
    from app.loras.fetching import Wanted, fetch  # noqa: PLC0415 - few fetch

    shown = sys.stderr.isatty()

    def tell(said: str) -> None:
        if shown:
            print(f"\r{said}   ", end="", file=sys.stderr, flush=True)

    try:
        name = fetch(Wanted(options.source, options.into, options.name, options.base), tell)
    except Unusable as fault:
        _end(f"{options.source}: {fault}" if not str(fault).startswith(options.source) else str(fault), 1)
    except KeyboardInterrupt:
        _end("stopped; nothing was kept", _INTERRUPTED)
    print(name)


def _add_wait(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--timeout",
        type=float,
        default=600,
        metavar="S",
        help="seconds to wait until it is done; 0 does not wait (600)",
    )


def _add_gateway(action: argparse.ArgumentParser) -> None:
    action.add_argument("--url", default="http://127.0.0.1:8000", help="the gateway (http://127.0.0.1:8000)")
    action.add_argument(
        "--key-env",
        default="HYPERBRIDGE_KEY",
        metavar="NAME",
        help="the environment variable with an admin's key, where the gateway wants one (HYPERBRIDGE_KEY)",
    )
    action.add_argument("--upstream", metavar="NAME", help="which one, where several have adapters")


def _doing(act: Callable[[argparse.Namespace, "Gateway"], None]) -> Callable[[argparse.Namespace], None]:
    def run(options: argparse.Namespace) -> None:
        key = os.environ.get(options.key_env, "")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            with httpx.Client(base_url=options.url, headers=headers, timeout=30, trust_env=False) as client:
                act(options, Gateway(client, options.upstream))
        except NotDone as fault:
            _end(str(fault), 1)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as fault:
            _end(f"{options.url} does not answer ({type(fault).__name__}): is the gateway running there?", 1)
        except KeyboardInterrupt:
            _end("stopped waiting; the gateway goes on", _INTERRUPTED)

    return run


def _end(said: str, status: int) -> NoReturn:
    print(said, file=sys.stderr)
    sys.exit(status)


class Gateway:
    """The admin's door of one gateway, for one upstream."""

    def __init__(self, client: httpx.Client, upstream: str | None) -> None:
        self._client = client
        self._upstream = upstream

    def fleets(self) -> Sequence[Fleet]:
        """Those asked for."""
        found: Sequence[Fleet] = self._asked("GET", "/admin/loras")["data"]
        if not found:
            raise NotDone(
                "no upstream is given adapters: set `loras` of one of the kind vllm (docs/fleet.md)"
            )
        if self._upstream is None:
            return found
        named = [fleet for fleet in found if fleet["upstream"] == self._upstream]
        if not named:
            known = ", ".join(fleet["upstream"] for fleet in found)
            raise NotDone(f"the upstream {self._upstream!r} is given no adapters; those that are: {known}")
        return named

    def fleet(self) -> Fleet:
        """The one that is meant. Raises NotDone where several might be."""
        found = self.fleets()
        if len(found) > 1:
            raise NotDone("say which with --upstream: " + ", ".join(fleet["upstream"] for fleet in found))
        return found[0]

    def ask(self, action: str, body: Mapping[str, object]) -> None:
        """Change something. Raises NotDone with what the gateway says."""
        self._asked("POST", f"/admin/loras/{quote(self.fleet()['upstream'])}/{action}", body)

    def wait(self, seconds: float, goal: Callable[[Fleet], str]) -> None:
        """Until the goal says nothing more, telling what it says. Raises NotDone when the time is over."""
        until, told = time.monotonic() + seconds, ""
        while seconds:
            left = goal(self.fleet())
            if not left:
                print("done")
                return
            if left != told:
                print(left, flush=True)
                told = left
            if time.monotonic() > until:
                raise NotDone(f"not done after {seconds:g} seconds: {left}")
            time.sleep(LOOK_SECONDS)

    def _asked(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        answer = self._client.request(method, path, json=body)
        try:
            told = answer.json()
        except ValueError:
            raise NotDone(f"{path} answered {answer.status_code}: is this a HyperBridge gateway?") from None
        if answer.is_success:
            return told
        raise NotDone(told["error"]["message"] if "error" in told else f"status {answer.status_code}")


def _list(options: argparse.Namespace, gateway: Gateway) -> None:
    fleets = gateway.fleets()
    if options.json:
        print(json.dumps(fleets, indent=2, ensure_ascii=False))
        return
    for fleet in fleets:
        print(
            f"{fleet['upstream']}: {len(fleet['replicas'])} servers, {fleet['waiting']} calls wait for room"
        )
        _table(
            ("server", "state", "in flight", "adapters"),
            [
                (each["where"], _server_state(each), each["in_flight"], len(each["adapters"]))
                for each in fleet["replicas"]
            ],
        )
        places = len(fleet["replicas"])
        _table(
            ("adapter", "state", "name", "on", "rank", ""),
            [
                (
                    each["name"],
                    each["state"] + (", pinned" if each["pinned"] else ""),
                    ", ".join(each["aliases"]),
                    f"{len(each['ready_on'])} of {places}",
                    each["rank"] or "",
                    each["told"],
                )
                for each in fleet["adapters"]
            ],
        )
        for alias, each in fleet["aliases"].items():
            if each["next"]:
                print(f"  {alias} is moving from {each['version']} to {each['next']}")
            if each["fault"]:
                print(f"  {alias} stayed {each['version']}: {each['fault']}")
        for folder, wrong in fleet["faults"].items():
            print(f"  {folder} cannot be served: " + "; ".join(wrong))
        if fleet["fault"]:
            print(f"  {fleet['fault']}")


def _server_state(replica: Mapping[str, Any]) -> str:
    if not replica["reachable"]:
        return "out of reach"
    if replica["quiet"]:
        return "is given an adapter"
    return "ready" if replica["ready"] else "has not all adapters"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    lines = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for line in lines:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()


def _load(options: argparse.Namespace, gateway: Gateway) -> None:
    gateway.ask("load", {"name": options.name})
    gateway.wait(options.timeout, lambda fleet: _until_ready(fleet, options.name))


def _unload(options: argparse.Namespace, gateway: Gateway) -> None:
    fleet = gateway.fleet()
    alias = fleet["aliases"].get(options.name)
    names = {options.name} if alias is None else {alias["version"], alias["next"], alias["before"]} - {""}
    gateway.ask("unload", {"name": options.name})

    def goal(fleet: Fleet) -> str:
        still = [
            f"{each['name']} on {len(each['ready_on'])}"
            for each in fleet["adapters"]
            if each["name"] in names and each["ready_on"]
        ]
        return "still there: " + ", ".join(still) if still else ""

    gateway.wait(options.timeout, goal)


def _pin(options: argparse.Namespace, gateway: Gateway) -> None:
    gateway.ask("pin", {"name": options.name})
    gateway.wait(options.timeout, lambda fleet: _until_ready(fleet, _meant(fleet, options.name)))


def _unpin(options: argparse.Namespace, gateway: Gateway) -> None:
    gateway.ask("pin", {"name": options.name, "pinned": False})
    print("done")


def _roll(options: argparse.Namespace, gateway: Gateway) -> None:
    before = gateway.fleet()["aliases"].get(options.name, {})
    gateway.ask("roll", {"alias": options.name, "name": options.to})
    wanted = options.to or before.get("before", "")

    def goal(fleet: Fleet) -> str:
        alias = fleet["aliases"].get(options.name)
        if alias is None:
            raise NotDone(f"{options.name} is gone")
        if alias["fault"] and not alias["next"] and alias["version"] != wanted:
            raise NotDone(f"{options.name} stays {alias['version']}: {alias['fault']}")
        if alias["next"]:
            return f"{options.name} is moving to {alias['next']}: " + _until_ready(fleet, alias["next"])
        return _until_ready(fleet, alias["version"])

    gateway.wait(options.timeout, goal)


def _meant(fleet: Fleet, name: str) -> str:
    alias = fleet["aliases"].get(name)
    return name if alias is None else str(alias["version"])


def _until_ready(fleet: Fleet, name: str) -> str:
    """How far a version is; nothing when it is ready wherever it is wanted. Raises NotDone where servers refuse it."""
    each = next((each for each in fleet["adapters"] if each["name"] == name), None)
    if each is None:
        return f"{name} is not known yet"
    if each["state"] == "refused":
        raise NotDone(f"{name} was refused: {each['told']}")
    ready = len(set(each["ready_on"]) & set(each["wanted_on"]))
    if each["wanted_on"] and ready == len(each["wanted_on"]):
        return ""
    return f"{name} is ready on {ready} of {len(each['wanted_on'])} servers"

"""The twin's own pages: how it is used, what it has seen, and how it forgets that."""

from typing import Any, Protocol

from sim.framing import Reply
from sim.house import as_json
from sim.script import manual
from sim.seen import Seen

_TEXT = "text/plain; charset=utf-8"
_EXAMPLES = """\
A fake upstream. What it does with a request is written in the model's name, or in the header x-sim:

  {"model": "twin?chunks=40&gap=0.02", ...}       forty words, 20 ms apart
  {"model": "twin?status=429&retry_after=2", ...} an error answer
  {"model": "twin?chunks=40&cut=20", ...}         the connection breaks after 20 chunks
  {"model": "twin?status=503&fail=2", ...}        the first two requests fail, the third is answered
  -H 'x-sim: first=20'                            nothing for 20 s, then the answer

GET /sim/seen tells what came and how it went, never what was said; POST /sim/forget begins anew.

"""


class Told(Protocol):
    """What the pages read of a twin."""

    seen: list[Seen]
    requests: int
    open_connections: int

    def forget(self) -> None: ...


def own(twin: Told, seen: Seen) -> Reply | None:
    """One of the twin's own pages; None for a page of the upstream that it plays."""
    match seen.method, seen.page:
        case "GET", "/sim":
            return Reply(200, _TEXT, text().encode())
        case "GET", "/sim/seen":
            return as_json(account(twin))
        case "POST", "/sim/forget":
            twin.forget()
            return as_json({"forgotten": True})
    return None


def text() -> str:
    """How the twin is used."""
    rows = [f"  {name:12} {default:8} {meaning}".rstrip() for name, default, meaning in manual()]
    return _EXAMPLES + "\n".join([
        "Members, their defaults, their meaning (times in seconds, -1 is never):",
        *rows,
        "",
    ])


def account(twin: Told) -> dict[str, Any]:
    """What the twin has seen; the sums are those of the requests that are listed."""
    return {
        "requests": twin.requests,
        "open_connections": twin.open_connections,
        "prompt_tokens": sum(seen.prompt_tokens for seen in twin.seen),
        "sent_tokens": sum(seen.sent_tokens for seen in twin.seen),
        "seen": [seen.line() for seen in twin.seen],
    }

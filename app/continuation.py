"""What is asked so that an answer that broke is gone on with: the client's request, and what was said so far."""

from dataclasses import replace

import msgspec

from app.contracts import Call
from app.wire import Members, Request

GO_ON = (
    "Your last message was cut off. Go on exactly where its text ends, beginning with the very next character: "
    "repeat nothing, announce nothing, do not begin anew."
)
"""What an upstream is told that does not continue a message of the assistant's by itself."""


def continuation(call: Call, text: str, limit: int | None, *, prefills: bool) -> Request:
    """The client's request, changed so that its answer is what follows `text`, of at most `limit` tokens.

    Where there is no text, the request as it was. For an upstream that `prefills` the text ends without white space:
    templates take it away, and few models were trained to go on behind it.
    """
    members = call.request.members
    changed: dict[str, bytes] = {}
    if call.operation.dialect == "completions":
        if text:
            changed["prompt"] = msgspec.json.encode(members.value("prompt") + text)
    elif text.strip():
        changed["messages"] = _with_messages(members, text, prefills=prefills)
        if prefills:
            changed |= {"continue_final_message": b"true", "add_generation_prompt": b"false"}
    if limit is not None:
        for name in length_names(call):
            changed[name] = b"%d" % limit
    return replace(call.request, members=Members.of(members.replaced(changed)))


def length_names(call: Call) -> list[str]:
    """The members in which the client bounds the answer; the usual one where it does not."""
    names = [
        name
        for name in ("max_tokens", "max_completion_tokens")
        if call.request.members.raw(name) not in {None, b"null"}
    ]
    return names or ["max_tokens"]


def _with_messages(members: Members, text: str, *, prefills: bool) -> bytes:
    """The client's messages byte for byte, and behind them what was said so far."""
    added = [{"role": "assistant", "content": text.rstrip() if prefills else text}]
    if not prefills:
        added.append({"role": "user", "content": GO_ON})
    given = (members.raw("messages") or b"[]").rstrip()[:-1].rstrip()
    comma = b"" if given.endswith(b"[") else b","
    return given + comma + msgspec.json.encode(added)[1:]

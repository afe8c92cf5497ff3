"""A request's JSON as far as the gateway looks at it: its top-level members and where they stand in the bytes.

One pass at C speed (msgspec) checks the whole text and cuts the top-level object into members without building
a tree; a second pass over the members alone finds each one's place. So an unknown field costs nothing, and
changing the model's name rewrites only those bytes.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from app.errors import BadRequest
from app.operations import Kind, Operation

_MEMBER = re.compile(rb'[ \t\r\n]*("(?:[^"\\]++|\\.)*+")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_SEPARATOR = re.compile(rb"[ \t\r\n]*([,}])")
_FIRST_BYTES: Mapping[Kind, bytes] = {"string": b'"', "array": b"[", "object": b"{", "text": b'"['}
_KIND_NAMES: Mapping[Kind, str] = {
    "string": "a string",
    "array": "an array",
    "object": "an object",
    "text": "a string or an array",
}

MAX_MODEL_LENGTH = 256
MAX_MODELS = 8
"""Models that a client may name to fall back to."""
OWN_MEMBERS = ("hyperbridge", "models")
"""Members that are the gateway's own: no upstream sees them."""
MAX_MEMBERS = 1000
"""Top-level members of a request; placing more would hold the event loop up."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)
_flag = msgspec.json.Decoder(bool | None)
_strings = msgspec.json.Decoder(list[str] | None)

T = TypeVar("T")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_stream_options = msgspec.json.Decoder(_StreamOptions | None)


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object's bytes, and where the value of each top-level member stands in them."""

    body: bytes
    spans: Mapping[str, tuple[int, int]]
    _found: dict[object, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def of(cls, body: bytes) -> "Members":
        """Raises BadRequest where the body is not a JSON object, or names a member twice."""
        return cls(body, _place(body, _split(body)))

    def has(self, name: str) -> bool:
        return name in self.spans

    def raw(self, name: str) -> bytes | None:
        """A member's JSON text."""
        span = self.spans.get(name)
        return None if span is None else self.body[span[0] : span[1]]

    def value(self, name: str) -> Any:
        """A member's value, decoded; None where it is absent."""
        raw = self.raw(name)
        return None if raw is None else msgspec.json.decode(raw)

    def once(self, find: Callable[["Members"], T]) -> T:
        """What this function finds in them, which is asked once: neither of the two ever changes."""
        if find not in self._found:
            self._found[find] = find(self)
        found: T = self._found[find]
        return found

    def without(self, names: Collection[str]) -> "Members":
        """The object without these members; the values of the others stay as they were, byte for byte."""
        kept = [name for name in self.spans if name not in names]
        pairs = [msgspec.json.encode(name) + b":" + (self.raw(name) or b"") for name in kept]
        return Members.of(b"{" + b",".join(pairs) + b"}")

    def replaced(self, members: Mapping[str, bytes]) -> bytes:
        """The body with these members set (values are JSON text); every other byte stays as it was."""
        if not members:
            return self.body
        pieces: list[bytes] = []
        position = 0
        known = sorted((self.spans[name], value) for name, value in members.items() if name in self.spans)
        for (start, end), value in known:
            pieces += (self.body[position:start], value)
            position = end
        added = [
            msgspec.json.encode(name) + b":" + value
            for name, value in members.items()
            if name not in self.spans
        ]
        if added:
            brace = self.body.rindex(b"}")
            separator = b"," if self.spans else b""
            pieces += (self.body[position:brace], separator, b",".join(added))
            position = brace
        pieces.append(self.body[position:])
        return b"".join(pieces)

    def changed(self, members: Mapping[str, bytes]) -> "Members":
        """The object with these members set, whose values are JSON: not read again, which 10 MB take 20 ms for."""
        spans: dict[str, tuple[int, int]] = {}
        shift = 0
        for name, (start, end) in self.spans.items():
            size = len(members[name]) if name in members else end - start
            spans[name] = (start + shift, start + shift + size)
            shift += start + size - end
        place = self.body.rindex(b"}") + shift
        for name, value in members.items():
            if name not in spans:
                place += len(msgspec.json.encode(name)) + (
                    2 if spans else 1
                )  # the colon, and a comma in front
                spans[name] = (place, place + len(value))
                place += len(value)
        return Members(self.replaced(members), spans)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and what the gateway read in it. Never changed: `Members.replaced` makes another body.

    `models` are those that the client names to fall back to, behind `model`.
    """

    members: Members
    model: str
    stream: bool
    include_usage: bool
    models: Sequence[str] = ()

    @classmethod
    def parse(cls, body: bytes, operation: Operation) -> "Request":
        """Read a request, or raise BadRequest naming the member that is wrong and what it should be."""
        members = Members.of(body)
        for name, kind in operation.required.items():
            _require(members, name, kind)
        models = _models(members) if members.has("models") else ()
        if not models or members.has("model"):
            _require(members, "model", "string")
            models = (_read(members, "model", _string, "a string") or "", *models)
        model = models[0]
        if not 0 < len(model) <= MAX_MODEL_LENGTH:
            raise BadRequest(f"'model' must have 1 to {MAX_MODEL_LENGTH} characters.", param="model")
        stream = bool(_read(members, "stream", _flag, "true or false"))
        if stream and not operation.streams:
            raise BadRequest(f"{operation.path} does not stream: leave out 'stream'.", param="stream")
        options = _read(
            members, "stream_options", _stream_options, "an object with a boolean 'include_usage'"
        )
        return cls(members, model, stream, bool(options and options.include_usage), models[1:])

    def for_upstreams(self) -> "Request":
        """The request without what is meant for the gateway alone."""
        if not any(map(self.members.has, OWN_MEMBERS)):
            return self
        return replace(self, members=self.members.without(OWN_MEMBERS))


def _split(body: bytes) -> Mapping[str, msgspec.Raw]:
    """The top-level members, after the whole text was found to be JSON in UTF-8."""
    if not body:
        raise BadRequest("The request has no body: send a JSON object.")
    try:
        body.decode()
        members = _members.decode(body)
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not valid UTF-8 (byte {error.start}).") from None
    except msgspec.ValidationError:
        raise BadRequest("The body must be a JSON object.") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {_reason(error)}.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    if len(members) > MAX_MEMBERS:
        raise BadRequest(f"The body has more than {MAX_MEMBERS} members.")
    return members


def _reason(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")


def _place(body: bytes, members: Mapping[str, msgspec.Raw]) -> Mapping[str, tuple[int, int]]:
    """Where each member's value stands in the body.

    The decoder keeps the last of two members with one name, so walking the text beside its members must meet
    each of them once, in order, with exactly its bytes; anything else is a duplicate.
    """
    spans: dict[str, tuple[int, int]] = {}
    position = body.index(b"{") + 1
    for name, raw in members.items():
        found = _MEMBER.match(body, position)
        if found is None or _string.decode(found[1]) != name or not body.startswith(bytes(raw), found.end()):
            raise _duplicate(body, position, spans, name)
        spans[name] = (found.end(), found.end() + len(memoryview(raw)))
        separator = _SEPARATOR.match(body, spans[name][1])
        if separator is None or (separator[1] == b"}") != (len(spans) == len(members)):
            raise _duplicate(body, spans[name][1] if separator is None else separator.end(), spans, name)
        position = separator.end()
    return spans


def _duplicate(body: bytes, position: int, spans: Mapping[str, object], name: str) -> BadRequest:
    """Blame the member that stands here, where it has been met before; else the one that was looked for."""
    found = _MEMBER.match(body, position)
    here = _string.decode(found[1]) if found is not None else name
    twice = (here if here in spans else name)[:64]
    return BadRequest(f"The member {twice!r} is there twice: send each member once.", param=twice)


def _require(members: Members, name: str, kind: Kind) -> None:
    span = members.spans.get(name)
    if span is None:
        raise BadRequest(f"{name!r} is missing: it must be {_KIND_NAMES[kind]}.", param=name)
    if members.body[span[0]] not in _FIRST_BYTES[kind]:
        raise BadRequest(f"{name!r} must be {_KIND_NAMES[kind]}.", param=name)


def _models(members: Members) -> Sequence[str]:
    """The list of models, the best first, which may stand in the place of `model`."""
    wanted = f"a list of at most {MAX_MODELS} models' names"
    models = _read(members, "models", _strings, wanted) or []
    if len(models) > MAX_MODELS or not all(0 < len(each) <= MAX_MODEL_LENGTH for each in models):
        raise BadRequest(f"'models' must be {wanted}.", param="models")
    return models


def _read(members: Members, name: str, decoder: msgspec.json.Decoder[T], wanted: str) -> T | None:
    raw = members.raw(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError:
        raise BadRequest(f"{name!r} must be {wanted}.", param=name) from None

"""A document: what a corpus is made of, a line of JSON each (`hb.document/1`)."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec

Kind = Literal["text", "book", "log", "report", "verse", "dialogue"]
Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role
    content: str


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A text, or the messages of a dialogue.

    `language` is of ISO 639-1, or "und". `licence` is what SPDX calls it, or "unknown". `source` is where it comes from, a
    file or a generator. `task` names the adapter that learns from a dialogue. Documents of one `group` stay on one side
    when some are held out for the evaluation.
    """

    schema: Literal["hb.document/1"] = msgspec.field(default="hb.document/1")
    id: str
    kind: Kind
    language: str
    licence: str
    source: str
    text: str = ""
    messages: Sequence[Message] = ()
    task: str = ""
    group: str = ""

    @property
    def said(self) -> str:
        """All its text."""
        return self.text or "\n".join(message.content for message in self.messages)

    def held_out(self, seed: int, share: float) -> bool:
        """Whether it is for the evaluation alone, by a hash of its group: the same in every process."""
        digest = blake2b(f"{seed}:{self.group or self.id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < share * 2**64


_document = msgspec.json.Decoder(Document)


def parse(line: bytes) -> Document:
    """Raises ValueError."""
    found = _document.decode(line)
    if bool(found.text) == bool(found.messages):
        raise ValueError("a document has either `text` or `messages`")
    return found


def json_schema() -> dict[str, Any]:
    schema = msgspec.json.schema(Document)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hb.document/1", **schema}


def name_of(*parts: str) -> str:
    """The id of a document, from what it is made of."""
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()

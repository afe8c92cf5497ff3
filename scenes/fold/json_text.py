"""JSON without the spaces between its tokens: every token stays as it was written. Pure."""

import msgspec

_STARTS = ("{", "[")


def minify(text: str) -> str | None:
    """The text without the whitespace between its tokens, or None where it isn't JSON.

    JSON is one object or array (RFC 8259), or several of them, a line each (JSON Lines), whose lines stay. No value is
    read and written anew: `1.0`, long integers, escapes, doubled members and their order stay. None for what a strict
    reader refuses: NaN, lone surrogates, trailing commas; and for a single string or number.
    """
    if not text.lstrip(" \t\r\n").startswith(_STARTS):
        return None
    return _compact(text) or _compact_lines(text)


def _compact(text: str) -> str | None:
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _compact_lines(text: str) -> str | None:
    found: list[str] = []
    for line in text.split("\n"):
        blank = not line.strip(" \t\r")
        compact = "" if blank else _compact(line)
        if compact is None or not (blank or compact.startswith(_STARTS)):
            return None
        found.append(compact)
    return "\n".join(found)


class JsonText:
    """The form without a marker: a reader of JSON reads it as before."""

    name = "json"

    def fold(self, text: str) -> str | None:
        compact = minify(text)
        return compact if compact is not None and len(compact) < len(text) else None

    def unfold(self, folded: str) -> str:
        return folded

    def canonical(self, text: str) -> str:
        compact = minify(text)
        return text if compact is None else compact

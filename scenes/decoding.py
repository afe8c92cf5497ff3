"""Undoes codes in what a model streams, whatever the pieces it comes in.

    decoder = Decoder(book.phrases)
    for piece in pieces:
        out.append(decoder.feed(piece))
    out.append(decoder.flush())

A piece's end may fall within a code. Only what may still become one is held back: at most the longest code, and within
JSON the escape after it, too. One decoder reads one stream: one choice's content, or one tool call's arguments.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from scenes.codebook.codes import CODE, SIGIL


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands for phrases in a text: each has the `sign`, and is found whole; `beginning` finds what may become one at the end
    of a piece, or may be none yet, and has at most `longest` characters.
    """

    sign: str
    whole: re.Pattern[str]
    beginning: re.Pattern[str]
    longest: int


CODES = Marks(SIGIL, CODE, re.compile(r"§[a-z]{0,8}\Z"), 9)


class Stream(Protocol):
    def feed(self, text: str) -> str:
        """What is certain after this piece; often the piece itself, sometimes nothing."""

    def flush(self) -> str:
        """What was held back. Nothing may be fed after it."""

    @property
    def holds(self) -> bool:
        """Whether something is held back."""

    @property
    def follows(self) -> bool:
        """Whether each piece must be fed, also one without a code: where that is JSON, or may become some."""

    def cut(self) -> str:
        """What is certain of it where the stream broke: the phrase of a whole code, no half of one."""


class Strings:
    """Follows a text that may be one JSON document, in a fence or in none, though nobody asked for one.

    `is_within` says whether what follows stands in a string of it. `follows` is over where the text is none.
    """

    def __init__(self) -> None:
        self.follows = True
        self.is_within = False
        self._begun: str | None = ""
        """How it begins, as long as that does not tell; None from there on."""
        self._is_escaped = False

    def read(self, text: str) -> None:
        if self._begun is not None:
            text = self._begin(self._begun + text)
        if not self.follows:
            return
        if self._is_escaped and text:
            self._is_escaped, text = False, text[1:]
        for found in _QUOTE.finditer(text):
            if found[0] == '"':
                self.is_within = not self.is_within
            elif found[0] == "\\":
                self._is_escaped = True

    def meet_code(self) -> None:
        """A code stands here: no document begins with one."""
        if self._begun is not None:
            self._begun, self.follows = None, False

    def _begin(self, begun: str) -> str:
        """What is to be read of it: nothing as long as it may become a document."""
        document = _DOCUMENT.match(begun)
        if document is None and len(begun) <= _LONGEST_BEGINNING and _MAY_BEGIN.match(begun):
            self._begun = begun
            return ""
        self._begun = None
        self.follows = document is not None
        return begun


class Decoder:
    """Replaces codes by their phrases in plain text. `decoded` and `unknown` count the codes it saw.

    Where the text is JSON all the same, phrases in its strings are escaped, so that it stays JSON.
    """

    def __init__(self, phrases: Mapping[str, str], marks: Marks = CODES) -> None:
        """`phrases`: of each code, its sigil included."""
        self._phrases = phrases
        self._marks = marks
        self._held = ""
        self._strings = Strings()
        self.decoded = 0
        self.unknown = 0

    def feed(self, text: str) -> str:
        if not self._held and self._marks.sign not in text:
            if self._strings.follows:
                self._strings.read(text)
            return text
        text = self._held + text
        still_open = self._marks.beginning.search(text, max(0, len(text) - self._marks.longest))
        self._held = text[still_open.start() :] if still_open else ""
        return self._undone(text[: len(text) - len(self._held)])

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    @property
    def follows(self) -> bool:
        """Whether each piece must be fed, also one without a code: the text is JSON, or may become some."""
        return self._strings.follows

    def flush(self) -> str:
        held, self._held = self._held, ""
        return self._undone(held)

    def cut(self) -> str:
        """What is certain of it where the stream broke: the phrase of a whole code, no half of one."""
        if not _is_whole(self._held, self._phrases):
            self._held = ""
        return self.flush()

    def _undone(self, text: str) -> str:
        pieces: list[str] = []
        at = 0
        for code in self._marks.whole.finditer(text):
            between = text[at : code.start()]
            self._strings.read(between)
            self._strings.meet_code()
            pieces += (between, self._phrase(code[0]))
            at = code.end()
        self._strings.read(text[at:])
        return "".join((*pieces, text[at:]))

    def _phrase(self, code: str) -> str:
        phrase = self._phrases.get(code)
        if phrase is None:
            self.unknown += 1
            return code
        self.decoded += 1
        return in_json(phrase) if self._strings.is_within else phrase


class JsonDecoder:
    """Replaces codes in a JSON document that comes in pieces, where they stand in the value of a string; never in a key.

    The phrase is escaped as JSON asks, so what was a document stays one. What is none is read as far as it looks like one.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self._phrases = {code: in_json(phrase) for code, phrase in phrases.items()}
        self._held = ""
        self._is_object: list[bool] = []  # of each open bracket, the innermost last
        self._is_key_next = False
        self._in_string = False
        self.decoded = 0
        self.unknown = 0

    def feed(self, text: str) -> str:
        return self._read(text, is_last=False)

    @property
    def follows(self) -> bool:
        """Always: what is a string and what is none is known by all that came before."""
        return True

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def flush(self) -> str:
        return self._read("", is_last=True)

    def cut(self) -> str:
        """What is certain of it where the stream broke: the phrase of a whole code, no half of one."""
        if not _is_whole(self._held, self._phrases):
            self._held = ""
        return self.flush()

    def _read(self, text: str, *, is_last: bool) -> str:
        text = self._held + text
        self._held = ""
        out: list[str] = []
        at = place = 0
        while place < len(text):
            if not self._in_string:
                place = self._between(text, place)
                continue
            found = _SPECIAL.search(text, place)
            if found is None:
                break
            place = found.end()
            if found[0] == '"':
                self._in_string = False
            elif not is_last and _CUT.match(text, found.start()):
                self._held = text[found.start() :]
                break
            elif found[0] in _SIGILS and not self._is_key_next:
                place = _LETTERS.match(text, place).end()  # type: ignore[union-attr] # it matches nothing, too
                phrase = self._phrase(SIGIL + text[found.end() : place], text[place : place + _PAIR])
                if phrase is not None:
                    out += (text[at : found.start()], phrase)
                    at = place
        out.append(text[at : len(text) - len(self._held)])
        return "".join(out)

    def _between(self, text: str, place: int) -> int:
        """Reads what stands between strings, up to the next one's first quote. The place after it, or the text's end."""
        for found in _STRUCTURE.finditer(text, place):
            mark = found[0]
            if mark == '"':
                self._in_string = True
                return found.end()
            if mark in "{[":
                self._is_object.append(mark == "{")
            elif mark in "}]" and self._is_object:
                self._is_object.pop()
            self._is_key_next = mark in "{," and bool(self._is_object) and self._is_object[-1]
        return len(text)

    def _phrase(self, code: str, following: str) -> str | None:
        if not CODE.fullmatch(code) or _is_alphanumeric(following):
            return None
        phrase = self._phrases.get(code)
        if phrase is None:
            self.unknown += 1
        else:
            self.decoded += 1
        return phrase


def in_json(text: str) -> str:
    """As it stands between the quotes of a string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _is_whole(held: str, phrases: Mapping[str, str]) -> bool:
    """Whether this is a code, and not the beginning of another one as well."""
    return [code for code in phrases if held and code.startswith(held)] == [held]


_LONGEST_BEGINNING = 200
_DOCUMENT = re.compile(r"""\s*(?:```(?:json)?\s*)?(?:\{\s*["}]|\[\s*["\[{])""")
"""How a JSON document with strings begins, and hardly a text that is none."""
_MAY_BEGIN = re.compile(r"\s*(?:`{0,2}\Z|```(?:j|js|jso|json)?\s*\Z|(?:```(?:json)?\s*)?[{\[]\s*\Z|\Z)")
_QUOTE = re.compile(r'"|\\.|\\', re.DOTALL)
_SIGILS = frozenset((SIGIL, r"\u00a7", r"\u00A7"))
_STRUCTURE = re.compile(r'["{}\[\]:,]')
_SPECIAL = re.compile(r'"|§|\\u00[aA]7|\\.|\\', re.DOTALL)
_LETTERS = re.compile(r"[a-z]{0,9}")
_CUT = re.compile(
    r"""\\(?:u(?:0(?:0[aA]?)?)?)?\Z  # an escape that may become a sigil, or may be of a quote
    | (?:§|\\u00[aA]7)(?:
        [a-z]{0,8}\Z
        | [a-z]{2,8}\\(?:u[0-9a-fA-F]{0,3})?\Z  # what follows the code is not told yet
        | [a-z]{2,8}\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z  # nor here: half a character
    )""",
    re.VERBOSE,
)
_PAIR = 12
"""Characters of two escapes, which may be one character."""
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4}){1,2}")
_ALPHANUMERIC = re.compile(r"[^\W_]")


def _is_alphanumeric(following: str) -> bool:
    """Whether what follows within a JSON string begins with a letter or digit, escaped or not."""
    escaped = _ESCAPED.match(following)
    first = json.loads(f'"{escaped[0]}"') if escaped else following
    return _ALPHANUMERIC.match(first) is not None

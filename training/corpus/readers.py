"""Files of other people's, read as documents: plain text, Markdown, books, chat logs, lines of JSON."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec

from app.routing.language import language
from training.corpus.document import Document, Kind, Message, Role, name_of, parse
from training.lines import SetAside, read

Format = Literal["auto", "text", "markdown", "book", "chat", "jsonl"]
UNKNOWN = "und"
MOST_CHARACTERS = 8_000
"""Of one document of running text: longer ones are cut between paragraphs."""

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_FENCE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)[ \t]*$", re.DOTALL | re.MULTILINE)
_MARKUP: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"^#{1,6}[ \t]+(.*?)[ \t#]*$", re.MULTILINE), r"\1"),
    (re.compile(r"^>[ \t]?", re.MULTILINE), ""),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
)
_CHAPTER = re.compile(
    r"^(?:chapter|part|book|canto|глава|часть|книга|песнь)\b.{0,60}$|^[IVXLC]{1,7}\.?$",
    re.IGNORECASE | re.MULTILINE,
)
_BOOK_BEGINS = re.compile(r"^\*{3} ?START OF .*?\*{3}$", re.MULTILINE)
_BOOK_ENDS = re.compile(r"^\*{3} ?END OF .*$", re.MULTILINE)
_SPOKEN = re.compile(
    r"^(?:\[?(?P<time>[\d:., TZ/-]{4,25})\]?[ \t]+)?<?(?P<who>[^\W\d_][\w .'-]{0,40})>?:[ \t]+(?P<said>\S.*)$"
)
_ANSWERS = frozenset({"assistant", "bot", "ai", "model", "ассистент", "бот", "модель"})
_SYSTEM = frozenset({"system", "система"})


@dataclass(frozen=True, slots=True)
class Told:
    """What a source's settings say of its files. A language of "" is looked for in the text."""

    licence: str = "unknown"
    language: str = ""
    task: str = ""


def documents(path: Path, form: Format, told: Told, aside: SetAside) -> Iterator[Document]:
    """The documents of one file. What is no UTF-8, or no line of a document, is set aside. Raises OSError."""
    chosen = _form_of(path) if form == "auto" else form
    if chosen == "jsonl":
        yield from (
            document
            for found in read(path, lambda line: _of_line(line, path, told), aside)
            for document in found
        )
        return
    text = path.read_bytes().decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    yield from _READERS[chosen](text, path, told)


def _form_of(path: Path) -> Format:
    forms: Mapping[str, Format] = {
        ".md": "markdown",
        ".markdown": "markdown",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".log": "chat",
    }
    return forms.get(path.suffix.lower(), "text")


def _text(text: str, path: Path, told: Told) -> Iterator[Document]:
    for part in _parts(text):
        yield _document("text", path, told, part)


def _markdown(text: str, path: Path, told: Told) -> Iterator[Document]:
    """The words of it: code, comments and marks are left out, since nothing is learned from them here."""
    text = _FENCE.sub("", _FRONT_MATTER.sub("", text))
    for shape, instead in _MARKUP:
        text = shape.sub(instead, text)
    yield from _text(text, path, told)


def _book(text: str, path: Path, told: Told) -> Iterator[Document]:
    """Chapter by chapter, without what a library wrote before and behind it; lines of a paragraph are joined, those of verses stay."""
    if (begins := _BOOK_BEGINS.search(text)) is not None:
        text = text[begins.end() :]
    if (ends := _BOOK_ENDS.search(text)) is not None:
        text = text[: ends.start()]
    starts = [found.start() for found in _CHAPTER.finditer(text)]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        chapter = "\n\n".join(_joined(paragraph) for paragraph in re.split(r"\n[ \t]*\n", text[start:end]))
        for part in _parts(chapter):
            yield _document("book", path, told, part, group=f"{path.name}:{start}")


def _chat(text: str, path: Path, told: Told) -> Iterator[Document]:
    """Lines of "Name: what was said", with or without a time before them; a dialogue ends at an empty line."""
    for empty, lines in groupby(text.split("\n"), lambda line: not line.strip()):
        if empty:
            continue
        messages = _spoken(list(lines))
        if messages:
            yield _dialogue(messages, path, told)


def _spoken(lines: Sequence[str]) -> Sequence[Message]:
    """Who speaks first asks, and the others answer, where no name says who is who; what one says in a row is one message."""
    turns: list[tuple[str, str]] = []
    for line in lines:
        found = _SPOKEN.match(line)
        if found is not None and (not turns or found["who"] != turns[-1][0]):
            turns.append((found["who"], found["said"]))
        elif turns:
            turns[-1] = (turns[-1][0], f"{turns[-1][1]}\n{found['said'] if found else line}")
    if not turns:
        return ()
    first = next((who for who, _ in turns if who.lower() not in _SYSTEM | _ANSWERS), "")
    messages: list[Message] = []
    for who, said in turns:
        role = _role(who, first)
        if messages and messages[-1].role == role:
            messages[-1] = Message(role, f"{messages[-1].content}\n{said}")
        else:
            messages.append(Message(role, said))
    return messages


def _role(who: str, first: str) -> Role:
    if who.lower() in _SYSTEM:
        return "system"
    return "user" if who == first and who.lower() not in _ANSWERS else "assistant"


class _Line(msgspec.Struct):
    """The members of a line that are known; the others are nothing to a corpus."""

    text: str = ""
    messages: Sequence[Message] = ()
    prompt: str = ""
    completion: str = ""
    language: str = ""
    licence: str = ""
    task: str = ""


_line = msgspec.json.Decoder(_Line)


def _of_line(line: bytes, path: Path, told: Told) -> Sequence[Document]:
    """A document, {"text"}, {"messages"} as OpenAI's fine-tuning has them, or {"prompt", "completion"}."""
    members = msgspec.json.decode(line)
    if not isinstance(members, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - what is set aside
    if "id" in members and "source" in members:
        return [parse(line)]
    found = _line.decode(line)
    told = Told(found.licence or told.licence, found.language or told.language, found.task or told.task)
    messages = found.messages
    if found.prompt and found.completion:
        messages = (Message("user", found.prompt), Message("assistant", found.completion))
    if messages:
        return [_dialogue(messages, path, told)]
    if not found.text.strip():
        raise ValueError('a line has "text", "messages", or "prompt" and "completion"')
    return [_document("text", path, told, part) for part in _parts(found.text)]


def _document(kind: Kind, path: Path, told: Told, text: str, group: str = "") -> Document:
    return Document(
        id=name_of(path.name, text),
        kind=kind,
        language=told.language or language(text) or UNKNOWN,
        licence=told.licence,
        source=path.name,
        text=text,
        task=told.task,
        group=group,
    )


def _dialogue(messages: Sequence[Message], path: Path, told: Told) -> Document:
    said = "\n".join(message.content for message in messages)
    return Document(
        id=name_of(path.name, said),
        kind="dialogue",
        language=told.language or language(said) or UNKNOWN,
        licence=told.licence,
        source=path.name,
        messages=messages,
        task=told.task,
    )


def _parts(text: str) -> Iterator[str]:
    """The text in parts of whole paragraphs, none much longer than the bound unless one paragraph is."""
    part: list[str] = []
    size = 0
    for paragraph in re.split(r"\n[ \t]*\n", text):
        said = paragraph.strip()
        if not said:
            continue
        if part and size + len(said) > MOST_CHARACTERS:
            yield "\n\n".join(part)
            part, size = [], 0
        part.append(said)
        size += len(said) + 2
    if part:
        yield "\n\n".join(part)


def _joined(paragraph: str) -> str:
    """One line where its lines are those of a page, as they are where they are short: verses."""
    lines = [line.strip() for line in paragraph.strip().split("\n")]
    prose = len(lines) > 1 and sum(map(len, lines[:-1])) > _PAGE * (len(lines) - 1)
    return (" " if prose else "\n").join(lines)


_PAGE = 55
"""Characters a line has in prose, at the least, on average."""
_READERS: Mapping[str, Callable[[str, Path, Told], Iterator[Document]]] = {
    "text": _text,
    "markdown": _markdown,
    "book": _book,
    "chat": _chat,
}

"""Puts what was published into a gateway's configuration, so that it lists and routes the base and each adapter.

The file keeps its comments: lines are added below the sections that are there. What would come out is read as the gateway reads it
before it takes the old one's place; a gateway that runs takes it up by itself.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from app import config
from app.loras import manifest as adapter
from scenes.hypertokens import Hypertokens, InvalidHypertokens
from training.publishing import BASE, GGUF, LORAS
from training.rows import BOOK
from training.steps import MANIFEST
from training.wrong import Wrong, unwritable

Lines = Sequence[str]
_BOOKS = re.compile(r"^scenes:[^\n]*\n(?:[ #][^\n]*\n|\n)*?  hypertokens:[ \t]*(?:#[^\n]*)?\n", re.MULTILINE)


def copied(published: Path, folder: Path) -> Path:
    """A copy in the place of what is in the folder, which keeps its old content until the copy is whole. Raises Wrong."""
    beside, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
    try:
        for each in (beside, old):
            shutil.rmtree(each, ignore_errors=True)
        shutil.copytree(published, beside, ignore=shutil.ignore_patterns(MANIFEST))
        if folder.exists():
            folder.replace(old)
        beside.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as fault:
        raise unwritable(folder, fault) from None
    return folder


def register(published: Path, name: str, file: Path) -> Sequence[str]:
    """Adds the upstream `name` and its models, and says what they are called. Raises Wrong."""
    manifests = [adapter.read(folder) for folder in sorted((published / LORAS).iterdir())]
    models = published.absolute() / GGUF
    if not (models / "base.gguf").exists():
        raise Wrong(
            f"{published} has no GGUF files: set publishing.gguf, which is what runs in the gateway's own process"
        )
    _fitting(manifests, models / BOOK, published / BASE / "tokenizer.json")
    text = _read(file)
    _known(file, text, name, models / BOOK)
    loras = ", ".join(f"{each.id}: {{path: {models / each.id}.gguf}}" for each in manifests)
    names = [name, *(f"{name}:{each.id}" for each in manifests)]
    sections: Mapping[str, Lines] = {
        "upstreams": (
            f"  {name}:",
            "    kind: embedded",
            f"    model: {models / 'base.gguf'}",
            f"    name: {name}",
            "    context_tokens: 1024",
            f"    loras: {{{loras}}}",
        ),
        "models": [
            f'  "{each}": {{upstream: {name}, model: "{each}", hypertokens: {name}, scenes: hyper}}'
            for each in names
        ],
    }
    for section, lines in sections.items():
        text = _added(file, text, section, lines)
    _replace(file, _booked(file, text, f"    {name}: {models / BOOK}"))
    return names


def _fitting(manifests: Sequence[adapter.Manifest], book: Path, tokenizer: Path) -> None:
    try:
        own = Hypertokens.from_json(book.read_bytes())
    except (OSError, InvalidHypertokens) as fault:
        raise Wrong(f"{book}: {fault}") from None
    wrong = next((each for each in manifests if each.book is None or each.book.digest != own.digest), None)
    if wrong is not None:
        raise Wrong(f"{wrong.name} was taught another book than {book}")
    if adapter.hash_of(tokenizer) != own.tokenizer_sha256:
        raise Wrong(f"{book} is of another tokenizer than {tokenizer}")


def _known(file: Path, text: str, name: str, book: Path) -> None:
    """Whether the name is free, or has other tokens there already."""
    try:
        settings = config.load(file, config.read_environment(file.absolute().parent)) if text else None
    except config.ConfigError as fault:
        raise Wrong(f"{file} is wrong already: {fault}") from None
    if settings is None:
        return
    in_use = settings.scenes.hypertokens.get(name)
    if in_use is not None and Path(in_use).read_bytes() != book.read_bytes():
        raise Wrong(
            f"{file}: scenes.hypertokens.{name} is another book than the adapters were taught; take another --as"
        )
    if name in settings.upstreams:
        raise Wrong(f"{file}: upstreams.{name} is there already; take it away, or take another --as")


def _added(file: Path, text: str, section: str, lines: Lines) -> str:
    """The lines as the first of a section, which is made where it is not there."""
    added = "".join(f"{line}\n" for line in lines)
    if re.search(rf"^{section}:", text, re.MULTILINE) is None:
        return f"{text.rstrip()}\n\n{section}:\n{added}" if text.strip() else f"{section}:\n{added}"
    whole, count = re.subn(
        rf"^({section}:[ \t]*(?:#.*)?\n)", lambda found: found[1] + added, text, count=1, flags=re.MULTILINE
    )
    if not count:
        raise Wrong(f"{file}: {section} is written in one line; put these below it by hand:\n{added}")
    return whole


def _booked(file: Path, text: str, line: str) -> str:
    """The line below `scenes.hypertokens`, which is made where it is not there."""
    known = _BOOKS.search(text)
    if known is None:
        return _added(file, text, "scenes", ("  hypertokens:", line))
    return f"{text[: known.end()]}{line}\n{text[known.end() :]}"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as fault:
        raise Wrong(f"{file} cannot be read: {fault}") from None


def _replace(file: Path, text: str) -> None:
    beside = file.with_name(f"{file.name}.new")
    try:
        beside.write_text(text, "utf-8")
        config.load(beside, config.read_environment(file.absolute().parent))
        Path(beside).replace(file)
    except config.ConfigError as fault:
        beside.unlink(missing_ok=True)
        raise Wrong(f"{file}: what would be written is wrong, and nothing was changed: {fault}") from None
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise Wrong(f"{file} cannot be written: {fault.strerror}") from None

"""Rules about modes, presets and templates: what is named must be there, shipped or in the file."""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path as FilePath

from app.config.document import Document
from app.config.faults import Fault, choice, quoted
from app.config.schema import split_route
from app.config.text import read_text
from app.yaml_source import Collection as Members
from app.yaml_source import Path, parse

DATA = FilePath(__file__).parents[1] / "data"
SHIPPED_MODES = DATA / "modes"
SHIPPED_PRESETS = DATA / "presets.yaml"
SHIPPED_TEMPLATES = DATA / "templates"

NO_MODE = "none"
"""The label of what belongs to no mode."""


def broken_manners(document: Document, folder: FilePath) -> Iterator[Fault]:
    """What is named and is not there; a folder of templates is looked into."""
    modes = {*_stems(SHIPPED_MODES, "*.yaml"), *document.members("modes")}
    presets = {*_shipped_presets(), *document.members("presets")}
    own = document.text("templates", "folder")
    templates = {*_stems(SHIPPED_TEMPLATES, "*.md"), *(() if own is None else _stems(folder / own, "*.md"))}
    for path, known, what in (
        *((path, modes, "mode") for path in _places_of_modes(document)),
        *((path, presets, "preset") for path in _places(document, "presets")),
        *((path, templates, "template") for path in _places(document, "template")),
    ):
        name = document.text(*path)
        if name and name not in known:
            yield document.fault(path, _message(document, path, what, known))
    if NO_MODE in document.members("modes"):
        yield document.fault(("modes", NO_MODE), "is what headers and metrics call it where there is no mode")
    yield from _models_of_modes(document)


def _places_of_modes(document: Document) -> Iterator[Path]:
    yield "router", "default_mode"
    for index in range(len(document.items("router", "rules"))):
        yield "router", "rules", index, "mode"
    for name in document.members("models"):
        yield "models", name, "mode"


def _places(document: Document, member: str) -> Iterator[Path]:
    """Where models and modes name one of these, or several."""
    for section in ("models", "modes"):
        for name in document.members(section):
            path = (section, name, member)
            for index in range(len(document.items(*path))):
                yield *path, index
            yield path


def _models_of_modes(document: Document) -> Iterator[Fault]:
    aliases, upstreams = document.members("models"), document.members("upstreams")
    for mode in document.members("modes"):
        for index in range(len(document.items("modes", mode, "models"))):
            path: Path = ("modes", mode, "models", index)
            name = document.text(*path)
            if not name or name in aliases:
                continue
            upstream, model = split_route(name)
            if not model or upstream not in upstreams:
                yield document.fault(path, _message(document, path, "model", aliases))


def _message(document: Document, path: Path, what: str, known: Collection[str]) -> str:
    name = document.text(*path)
    hidden = document.shown(path) is None
    subject = "the value" if hidden or name is None else quoted(name)
    return f"{subject} is not a {what}{choice(None if hidden else name, sorted(known))}"


def _stems(folder: FilePath, pattern: str) -> Sequence[str]:
    return [file.stem for file in folder.glob(pattern)]


@cache
def _shipped_presets() -> Sequence[str]:
    root, _ = parse(read_text(SHIPPED_PRESETS))
    return [str(name) for name in root.members] if isinstance(root, Members) else []

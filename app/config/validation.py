"""The document against the settings: a valid file, or one fault for each thing that does not fit."""

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, TypeAlias

from pydantic import ValidationError

from app.config.document import Document
from app.config.faults import Fault, choice, question
from app.config.schema import Sections
from app.config.shape import Shape, choices, expectation, is_scalar, is_secret, locate, resolved
from app.config.values import KNOWN_CODE
from app.yaml_source import Path

Error: TypeAlias = Mapping[str, Any]

_UNKNOWN_NAME = {"extra_forbidden", "unexpected_keyword_argument"}
_UNKNOWN_KIND = {"union_tag_invalid", "union_tag_not_found"}
_TOO_SHORT = "too_short"


def validate(document: Document, folder: FilePath) -> tuple[Sections | None, tuple[Fault, ...]]:
    """The settings, or what is wrong; a value that a missing variable left open is not judged."""
    try:
        return Sections.model_validate(document.value, context={"folder": folder}), ()
    except ValidationError as invalid:
        return None, misfits(document, invalid)


def misfits(document: Document, invalid: ValidationError) -> tuple[Fault, ...]:
    """What is wrong with the document, or with one that holds some of a file's sections."""
    errors = invalid.errors(include_url=False, include_input=False)
    return tuple(fault for error in errors for fault in _faults(document, error))


def _faults(document: Document, error: Error) -> Iterator[Fault]:
    if error["type"] in _UNKNOWN_NAME:
        *above, name = error["loc"]
        path, shape, _ = locate(above)
        known = list(resolved(shape)["properties"])
        yield document.fault((*path, name), f"unknown setting{choice(str(name), known)}", at_name=True)
        return
    path, shape, at_name = locate(error["loc"])
    if error["type"] in _UNKNOWN_KIND:
        path, shape = (
            (*path, "kind"),
            {"enum": [*resolved(shape)["discriminator"]["mapping"]], "type": "string"},
        )
    if path in document.unknown or (error["type"] == _TOO_SHORT and document.at(*path)):
        return  # what is not known, or became too short because its items are wrong, as said for each
    yield document.fault(path, _message(document, error, path, shape), at_name=at_name)


def _message(document: Document, error: Error, path: Path, shape: Shape) -> str:
    if error["type"] == KNOWN_CODE:
        return str(error["msg"])
    if error["type"] == "missing" or path not in document.values:
        return f"is missing; it must be {expectation(shape)}"
    if error["type"] == _TOO_SHORT:
        return "must not be empty"
    shown = document.shown(path) if is_scalar(shape) and not is_secret(shape) else None
    if shown is None:
        return f"must be {expectation(shape)}"
    return (
        f"must be {expectation(shape)}, not {shown}{question(document.text(*path), choices(resolved(shape)))}"
    )

"""A prompt template as a file: a head in YAML that describes it and declares its variables, and a body, behind `---`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from app.config.document import Document, resolve
from app.config.faults import ConfigError, Fault, choice, dotted
from app.config.routing import Name
from app.config.settings import Settings
from app.config.text import read_text
from app.config.values import wrong
from app.routing.template_language import GLOSSARY, Language, Pieces, Refused
from app.yaml_source import parse

MOST_CHARACTERS = 65_536
"""Of a file."""
_FENCE = "---"
_NAME = "[key]"
"""How pydantic says that a mapping's name is wrong, not its value."""
_EXPECTED: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
"""What the validation's errors say here."""


class Variable(Settings):
    """What a template is told; one without a default must be given."""

    description: str
    default: str | None = None
    required: bool = False
    choices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_required_or_has_a_default(self) -> Self:
        if self.required is (self.default is not None):
            raise wrong("must have either a default or `required: true`")
        if self.choices and self.default not in {None, *self.choices}:
            raise wrong("must have one of its choices as the default")
        return self


class _Head(Settings):
    description: str
    variables: Mapping[Name, Variable] = Field(default={})


@dataclass(frozen=True, slots=True)
class Template:
    """A template, checked. `warnings` are what is probably not meant."""

    name: str
    description: str
    variables: Mapping[str, Variable]
    pieces: Pieces = field(repr=False)
    warnings: Sequence[str] = ()


def read_template(file: Path, language: Language) -> Template:
    """Read and check the file; raises ConfigError with what is wrong."""
    head_text, body = _halves(file)
    head = _head(str(file), head_text)
    try:
        pieces, used = language.read(body)
    except Refused as refused:
        raise ConfigError([Fault(str(file), refused.line, 1, "", refused.message)]) from None
    undeclared = [
        Fault(str(file), line, 1, "", f"the variable {name!r} is not declared{choice(name, head.variables)}")
        for name, line in used.items()
        if name not in head.variables
    ]
    if undeclared:
        raise ConfigError(undeclared)
    idle = [name for name in head.variables if name not in used]
    warnings = [f"{file}: variables.{name} is declared, and not used" for name in idle]
    return Template(file.stem, head.description, head.variables, pieces, warnings)


def _halves(file: Path) -> tuple[str, str]:
    """Head and body, each behind as many line breaks as there are lines before it."""
    text = read_text(file)
    if len(text) > MOST_CHARACTERS:
        raise _unusable(file, f"must not have more than {MOST_CHARACTERS} characters")
    lines = [line.rstrip() for line in text.split("\n")]
    if lines[0] != _FENCE or _FENCE not in lines[1:]:
        raise _unusable(file, f"must begin with a head between two lines {_FENCE}")
    end = lines.index(_FENCE, 1)
    return "\n".join(["", *lines[1:end]]), "\n" * (end + 1) + "\n".join(lines[end + 1 :])


def _unusable(file: Path, message: str) -> ConfigError:
    return ConfigError([Fault(str(file), 1, 1, "", message)])


def _head(file: str, text: str) -> _Head:
    root, problems = parse(text)
    if root is None or problems:
        raise ConfigError(
            Fault(file, each.mark.line, each.mark.column, dotted(each.path), each.message)
            for each in problems
        )
    document, open_references = resolve(file, root, {})
    if open_references:
        raise ConfigError(open_references)
    if GLOSSARY in document.members("variables"):
        message = f"{GLOSSARY} is what the glossary itself is called; take another name"
        raise ConfigError([document.fault(("variables", GLOSSARY), message, at_name=True)])
    try:
        return _Head.model_validate(document.value)
    except ValidationError as invalid:
        raise ConfigError(_misfits(document, invalid)) from None


def _misfits(document: Document, invalid: ValidationError) -> Iterator[Fault]:
    for error in invalid.errors(include_url=False, include_input=False):
        path = tuple(step for step in error["loc"] if step != _NAME)
        message = _EXPECTED.get(error["type"], str(error["msg"]))
        unknown = error["type"] == "extra_forbidden"
        if unknown:
            known = (_Head if len(path) == 1 else Variable).model_fields
            message = f"unknown member{choice(str(path[-1]), known)}"
        yield document.fault(path, message, at_name=unknown or error["loc"][-1:] == (_NAME,))

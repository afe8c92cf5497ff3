"""Prompt templates by name, written with the values that somebody gives."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import jinja2

from app import config
from app.config.faults import ConfigError, Fault, choice
from app.config.manner_rules import SHIPPED_TEMPLATES
from app.routing.glossary import SHIPPED, read_glossary
from app.routing.template_file import Template, read_template
from app.routing.template_language import Language

MOST_TEXT_BYTES = 65_536
MOST_VALUE_BYTES = 4096
_MOST_TEMPLATES = 200
_MOST_TEXTS = 64
"""Written ones that are kept."""


class TemplateFault(ValueError):
    """A template cannot be written so. The message repeats nothing of what was given."""


class Templates:
    """The templates, by name. `warnings` are what is probably not meant in their files."""

    def __init__(self, known: Mapping[str, Template]) -> None:
        self.known = known
        self.warnings = [warning for template in known.values() for warning in template.warnings]
        self._text = lru_cache(_MOST_TEXTS)(self._written)

    @classmethod
    def load(
        cls,
        folders: Sequence[Path] = (SHIPPED_TEMPLATES,),
        glossaries: Sequence[Path] = (SHIPPED,),
    ) -> Self:
        """Read each NAME.md; one in a later folder replaces one of the same name. Raises ConfigError.

        Each is written once, so that one which cannot be is known now, and those without variables are at hand.
        """
        language = Language(read_glossary(glossaries))
        known: dict[str, Template] = {}
        faults: list[Fault] = []
        for file in _files(folders):
            try:
                known[file.stem] = _tried(read_template(file, language), file)
            except ConfigError as error:
                faults += error.faults
        if faults:
            raise ConfigError(faults)
        return cls(known)

    @classmethod
    def of(cls, settings: config.Templates) -> Self:
        """The shipped ones and those that the configuration names. Raises ConfigError."""
        folders = [SHIPPED_TEMPLATES, *([] if settings.folder is None else [settings.folder])]
        glossaries = [SHIPPED, *([] if settings.glossary is None else [settings.glossary])]
        return cls.load(folders, glossaries)

    def render(self, name: str, variables: Mapping[str, str]) -> str:
        """The text of a template with these values; raises TemplateFault. Values are text, and are never evaluated."""
        template = self.known.get(name)
        if template is None:
            raise TemplateFault(f"There is no such template{choice(name, self.known)}.")
        return self._text(name, tuple(_values(template, variables).items()))

    def _written(self, name: str, values: Sequence[tuple[str, str]]) -> str:
        return _write(self.known[name], dict(values))


def looked_into(settings: config.Config) -> config.Config:
    """These settings, the warnings of their prompt templates among theirs. Raises ConfigError where one is wrong."""
    found = Templates.of(settings.templates).warnings
    return settings.model_copy(update={"warnings": (*settings.warnings, *found)})


def _files(folders: Sequence[Path]) -> Sequence[Path]:
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError([Fault(str(folder), 1, 1, "", "there is no such folder")])
        found += sorted(folder.glob("*.md"))
        if len(found) > _MOST_TEMPLATES:
            raise ConfigError([Fault(str(folder), 1, 1, "", f"more than {_MOST_TEMPLATES} templates")])
    return found


def _tried(template: Template, file: Path) -> Template:
    samples = {
        name: (variable.choices or ("text",))[0] if variable.default is None else variable.default
        for name, variable in template.variables.items()
    }
    try:
        _write(template, samples)
    except TemplateFault as fault:
        raise ConfigError([Fault(str(file), 1, 1, "", str(fault))]) from None
    return template


def _values(template: Template, given: Mapping[str, str]) -> Mapping[str, str]:
    """A value for each variable, in their order."""
    declared = template.variables
    unknown = next((name for name in given if name not in declared), None)
    if unknown is not None:
        hint = choice(unknown, declared) or ": it has none"
        raise TemplateFault(f"The template {template.name!r} has no such variable{hint}.")
    values: dict[str, str] = {}
    for name, variable in declared.items():
        value = given.get(name, variable.default)
        if value is None:
            raise TemplateFault(
                f"The template {template.name!r} needs the variable {name!r}: {variable.description}"
            )
        if variable.choices and value not in variable.choices:
            raise _unfit(template, name, f"be one of {', '.join(variable.choices)}")
        if _size(value) > MOST_VALUE_BYTES:
            raise _unfit(template, name, f"be Unicode text of at most {MOST_VALUE_BYTES} bytes")
        values[name] = value
    return values


def _unfit(template: Template, name: str, wanted: str) -> TemplateFault:
    return TemplateFault(f"The variable {name!r} of the template {template.name!r} must {wanted}.")


def _size(value: str) -> int:
    """The bytes of a text; of one that is none, too many."""
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        return MOST_VALUE_BYTES + 1


def _write(template: Template, values: Mapping[str, str]) -> str:
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.pieces(values):
            size += len(piece.encode())
            if size > MOST_TEXT_BYTES:
                raise TemplateFault(
                    f"The template {template.name!r} makes more than {MOST_TEXT_BYTES} bytes of text."
                )
            pieces.append(piece)
    except (jinja2.TemplateError, TypeError) as error:
        raise TemplateFault(f"The template {template.name!r} cannot be written with these values.") from error
    return "".join(pieces).strip()

"""Modes and presets: those that are shipped, as files, and what the configuration says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationError

from app import config
from app.config.document import resolve
from app.config.faults import ConfigError, Fault, dotted
from app.config.manner_rules import SHIPPED_MODES, SHIPPED_PRESETS
from app.config.routing import Name, OrderedBy, RequestMembers, Task
from app.config.settings import Settings
from app.config.text import read_text
from app.config.validation import misfits
from app.contracts import Layer, Thinking
from app.yaml_source import Collection, Node, parse


@dataclass(frozen=True, slots=True)
class Preset:
    """Members of a request (JSON text), set where the client sent none."""

    name: str
    members: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Mode:
    """A way of answering: a system text (`lens`), parameters, and what a model should be good at.

    `models` are the names that may answer; None is every configured one. `order_by` None is as the router orders, `scenes`
    None as the model has it.
    `aim`, `risk` (how it goes wrong) and `remedy` (what overcomes that) are for people.
    """

    name: str
    description: str = ""
    aim: str = ""
    risk: str = ""
    remedy: str = ""
    lens: str = ""
    presets: Sequence[str] = ()
    template: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    models: Sequence[str] | None = None
    tasks: Sequence[Task] = ()
    order_by: OrderedBy | None = None
    thinking: Thinking = "auto"
    scenes: Layer | None = None
    lora: str | None = None

    def changed(self, settings: config.Mode) -> "Mode":
        """With what these settings say; a member that is null there is as in a new mode."""
        new = Mode(self.name)
        given: dict[str, Any] = {}
        for name in settings.model_fields_set:
            value = getattr(settings, name)
            if value is None:
                value = getattr(new, name)
            given[name] = value.strip() if isinstance(value, str) else value
        return replace(self, **given)


class _Shipped(Settings):
    """The sections of a configuration that files of this package fill."""

    presets: Mapping[Name, RequestMembers] = Field(default={})
    modes: Mapping[Name, config.Mode] = Field(default={})


def modes(configured: Mapping[str, config.Mode], folder: Path = SHIPPED_MODES) -> Mapping[str, Mode]:
    """The modes of a folder, as the configuration changes them, and the configuration's own."""
    known = read_modes(folder)
    return known | {
        name: known.get(name, Mode(name)).changed(settings) for name, settings in configured.items()
    }


def presets(
    configured: Mapping[str, Mapping[str, Any]], file: Path = SHIPPED_PRESETS
) -> Mapping[str, Preset]:
    """The presets of a file and of the configuration, which replaces those of the same name."""
    return read_presets(file) | _presets(configured)


def read_modes(folder: Path) -> dict[str, Mode]:
    """Each NAME.yaml of the folder, which holds what `modes.NAME` may; raises ConfigError with all that is wrong."""
    found: dict[str, Mode] = {}
    faults: list[Fault] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            settings = _read(file, "modes", file.stem).modes
        except ConfigError as error:
            faults += error.faults
        else:
            found |= {name: Mode(name).changed(mode) for name, mode in settings.items()}
    if faults:
        raise ConfigError(faults)
    return found


def read_presets(file: Path) -> dict[str, Preset]:
    """The file holds what the section `presets` may; raises ConfigError with all that is wrong."""
    return _presets(_read(file, "presets").presets)


def _presets(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Preset]:
    return {
        name: Preset(name, {member: orjson.dumps(value) for member, value in members.items()})
        for name, members in settings.items()
    }


def _read(file: Path, *place: str) -> _Shipped:
    """The file as that place of a configuration."""
    root, problems = parse(read_text(file))
    if root is None or problems:
        raise ConfigError(
            Fault(str(file), problem.mark.line, problem.mark.column, dotted(problem.path), problem.message)
            for problem in problems
        )
    for name in reversed(place):
        root = _holding(name, root)
    document, open_references = resolve(str(file), root, {})
    if open_references:
        raise ConfigError(open_references)
    try:
        return _Shipped.model_validate(document.value)
    except ValidationError as invalid:
        raise ConfigError(misfits(document, invalid)) from None


def _holding(name: str, node: Node) -> Node:
    return Collection(
        node.mark, {name: (node.mark, node)}, is_mapping=True, size=node.size + 1, height=node.height + 1
    )

"""The configuration: one YAML file and the environment in, frozen settings or every fault of the file out."""

from collections.abc import Mapping
from pathlib import Path

from app.config.codebooks import CODEBOOKS
from app.config.databases import Redis, Room, Store
from app.config.document import resolve
from app.config.environment import read_environment
from app.config.faults import ConfigError, Fault, dotted, in_order
from app.config.hypertokens import HYPERTOKENS
from app.config.limits import AllowanceSettings, Limits, Rule
from app.config.loras import CacheSalt, Loras, Mixing
from app.config.manner_rules import broken_manners
from app.config.oddities import oddities
from app.config.pacing import Pacing
from app.config.prices import Price, Prices
from app.config.retrievers import HttpRetriever, SqlRetriever
from app.config.routing import Encoder, Mode, ModeRule, OrderedBy, Router, Templates, When
from app.config.rules import broken_rules
from app.config.scenes import Scenes
from app.config.schema import Config, Key, Logs, Metrics, Model, Sections, Server
from app.config.splits import Canary, Shadow, Split
from app.config.text import read_text, version_of
from app.config.upstreams import (
    HTTP_KINDS,
    Demo,
    Embedded,
    HttpSettings,
    Lora,
    Nebius,
    OpenAI,
    Upstream,
    Vllm,
)
from app.config.validation import validate
from app.yaml_source import parse

__all__ = [
    "HTTP_KINDS",
    "AllowanceSettings",
    "CacheSalt",
    "Canary",
    "Config",
    "ConfigError",
    "Demo",
    "Embedded",
    "Encoder",
    "Fault",
    "HttpRetriever",
    "HttpSettings",
    "Key",
    "Limits",
    "Logs",
    "Lora",
    "Loras",
    "Metrics",
    "Mixing",
    "Mode",
    "ModeRule",
    "Model",
    "Nebius",
    "OpenAI",
    "OrderedBy",
    "Pacing",
    "Price",
    "Prices",
    "Redis",
    "Room",
    "Router",
    "Rule",
    "Scenes",
    "Server",
    "Shadow",
    "Split",
    "SqlRetriever",
    "Store",
    "Templates",
    "Upstream",
    "Vllm",
    "When",
    "load",
    "of_text",
    "read_environment",
    "read_text",
    "version_of",
]


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and check the file; raises one ConfigError with all its faults."""
    return of_text(read_text(path), path, environment)


def of_text(text: str, path: Path, environment: Mapping[str, str]) -> Config:
    """Check this text as that of the file; raises one ConfigError with all its faults."""
    name = str(path)
    root, problems = parse(text)
    faults = [
        Fault(name, problem.mark.line, problem.mark.column, dotted(problem.path), problem.message)
        for problem in problems
    ]
    if root is None:
        raise ConfigError(faults)
    document, open_references = resolve(name, root, environment)
    sections, misfits = validate(document, path.absolute().parent)
    folder = path.absolute().parent
    faults += (*open_references, *misfits, *broken_rules(document), *broken_manners(document, folder))
    faults += (*CODEBOOKS.broken(document, folder), *HYPERTOKENS.broken(document, folder))
    if faults or sections is None:
        raise ConfigError(faults)
    return Config(
        **{name: getattr(sections, name) for name in Sections.model_fields},
        warnings=tuple(map(str, in_order(oddities(sections, document)))),
        hidden=frozenset(document.hidden),
        text=text,
    )

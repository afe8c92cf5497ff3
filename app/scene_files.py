"""The files of scenes that a configuration names, each read to its end, which a start puts off until one is needed."""

from collections.abc import Iterator

from app import config
from app.ab import proofs
from app.codecs.meanings import Unmeaning, opened
from app.codecs.vocabularies import Unreadable, Vocabularies, found_in
from app.config import ConfigError


def faults(settings: config.Scenes) -> Iterator[str]:
    """What is wrong with them: the setting, the file, and what it is."""
    if settings.tokenizers is not None:
        yield from (f"scenes.tokenizers: {fault}" for fault in _of_vocabularies(settings))
    if settings.vectors is not None:
        try:
            opened(settings.vectors)
        except Unmeaning as fault:
            yield f"scenes.vectors: {fault}"
    if settings.proofs is not None:
        try:
            proofs.read(settings.proofs)
        except ConfigError as fault:
            yield str(fault)


def _of_vocabularies(settings: config.Scenes) -> Iterator[str]:
    assert settings.tokenizers is not None
    try:
        files = found_in(settings.tokenizers)
    except Unreadable as fault:
        yield str(fault)
        return
    for family in files:
        try:
            Vocabularies(files, held=1).exact(family)
        except Unreadable as fault:
            yield str(fault)

"""From the configuration to the prompt router."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from app import config
from app.routing import catalogue
from app.routing.auto import Auto, Classifier, Head
from app.routing.canary import Canary
from app.routing.candidates import Outlook
from app.routing.catalogue import Entry
from app.routing.configured import (
    defaults,
    encoder_plan,
    general,
    manners_of_names,
    offered,
    plans,
    splits,
)
from app.routing.fixed import Fixed
from app.routing.kept import Kept
from app.routing.listed import Listed
from app.routing.manner import Manners
from app.routing.modes import modes, presets
from app.routing.router import Router
from app.routing.templates import Templates


def router(
    settings: config.Config,
    listed: Callable[[], Listed],
    outlook: Outlook,
    kept: Kept,
    canaries: Mapping[str, Canary] = MappingProxyType({}),
) -> Router:
    """The router of this configuration; `canaries` are those that were on trial before.

    Raises ValueError and ConfigError where a file that it names cannot be used.
    """
    known = modes(settings.modes)
    manners = Manners(known, presets(settings.presets), Templates.of(settings.templates))
    named = plans(settings, manners)
    auto = Auto(
        settings.router,
        known,
        offered(settings, named),
        general=general(settings),
        choosable=[name for name in known if manners.stand_alone(name)],
        manner=manners.of,
        output_tokens=settings.limits.output_tokens,
        entry=_entry,
        classifier=_classifier(settings.router.classifier),
        encoder=_head(settings),
        outlook=outlook,
        kept=kept,
    )
    return Router(
        Fixed(named, defaults(settings), listed),
        auto,
        manners,
        manners_of_names(settings),
        splits(settings, manners, canaries),
    )


@lru_cache(maxsize=4096)
def _entry(model: str) -> Entry | None:
    return catalogue.shipped().find(model)


def _classifier(file: Path | None) -> Callable[[], Classifier]:
    """One that the configuration names is read now, so that it is known to be one; the shipped one when it is needed:
    numpy takes 0.1 s and 25 MiB.
    """
    if file is None:
        return _shipped
    from app.routing import classifier  # noqa: PLC0415

    found = classifier.load(file)
    return lambda: found


def _head(settings: config.Config) -> Head | None:
    """What knows the vectors of the configured encoder. Raises ValueError where its file is of another one."""
    encoder = settings.router.encoder
    if encoder is None:
        return None
    from app.routing.encoder import load  # noqa: PLC0415

    try:
        found = load(encoder.file)
    except ValueError as error:
        raise ValueError(f"router.encoder.file: {error}") from None
    model = encoder_plan(encoder.model, settings).routes[0].model
    if found.model != model:
        raise ValueError(
            f"router.encoder.model: {encoder.file} was trained with {found.model!r}, not with {model!r}; "
            "name that model, or train with this one"
        )
    if encoder.dimensions not in {None, found.dimensions}:
        raise ValueError(
            f"router.encoder.dimensions: {encoder.file} was trained with vectors of {found.dimensions}, "
            f"not of {encoder.dimensions}"
        )
    return found


def _shipped() -> Classifier:
    from app.routing import classifier  # noqa: PLC0415

    return classifier.shipped()

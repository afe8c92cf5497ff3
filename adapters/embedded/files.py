"""Whether the configured files are what they have to be, found out before llama.cpp reads them."""

from collections.abc import Iterator
from pathlib import Path

from adapters.embedded.heads import Head, Unreadable
from app import config
from app.contracts import CannotStart


def checked(settings: config.Embedded, path: str) -> Head:
    """The model's head, where it and all its adapters fit; `path` is the upstream's in the configuration.

    Raises CannotStart, naming the setting that is wrong.
    """
    model = _head(settings.model, f"{path}.model")
    if model.is_adapter:
        raise CannotStart(f"{path}.model: {settings.model} is an adapter; adapters belong into 'loras'")
    if settings.embeddings and settings.loras:
        raise CannotStart(f"{path}.loras: llama.cpp applies no adapter to embeddings; leave one of both out")
    for name, lora in settings.loras.items():
        setting = f"{path}.loras.{name}.path"
        misfit = next(_misfits(_head(lora.path, setting), model), None)
        if misfit is not None:
            raise CannotStart(f"{setting}: {lora.path} {misfit}")
    return model


def _head(path: Path, setting: str) -> Head:
    try:
        return Head.of(path)
    except Unreadable as error:
        raise CannotStart(f"{setting}: {path} {error}") from None


def _misfits(lora: Head, model: Head) -> Iterator[str]:
    """Why an adapter cannot be applied to the model."""
    if not lora.is_adapter or lora.values.get("adapter.type") != "lora":
        yield "is not a LoRA adapter"
    if lora.architecture != model.architecture:
        yield f"is for {lora.architecture!r} models, and this one is {model.architecture!r}"
    for name, shape in lora.shapes.items():
        tensor, _, half = name.rpartition(".")
        if half in {"lora_a", "lora_b"} and not _fits(shape, half, model.shapes.get(tensor, ()), tensor):
            yield f"was made for another base: {tensor!r} does not fit"


def _fits(shape: tuple[int, ...], half: str, base: tuple[int, ...], tensor: str) -> bool:
    """Half A takes what the base's tensor takes, half B gives what it gives.

    The embedding's halves lie the other way round; llama.cpp checks those itself.
    """
    if not base:
        return False
    if tensor == "token_embd.weight":
        return True
    return shape[:1] == base[:1] if half == "lora_a" else shape[1:2] == base[1:2]

"""Heads over the demo's vectors, learned from words that no shipped example has."""

from pathlib import Path

from adapters.demo.vectors import DIMENSIONS, vector
from app.routing import encoder, encoder_training
from app.routing.encoder import Head
from app.routing.examples import Example

WORDS = {
    "deep": ["blorp", "wumple", "zindrax", "quibbet", "fnoodle", "yarrick"],
    "quick": ["snarfle", "grindow", "moopsy", "trebbin", "kloxit", "vuzzle"],
}
UNKNOWN = "blorp zindrax fnoodle wumple"
"""The n-grams abstain from it, and the head knows it as `deep`."""


def examples() -> list[Example]:
    """Pairs of words of each mode."""
    return [
        Example(f"{one} {other}", label)
        for label, words in WORDS.items()
        for one in words
        for other in words
        if one < other
    ]


def head(model: str = "demo", dimensions: int = DIMENSIONS) -> Head:
    """What is learned from their vectors."""
    made = examples()
    vectors = [vector(each.text, dimensions) for each in made]
    return encoder_training.train(made, vectors, model, lambda _: None)[0]


def head_file(folder: Path, model: str = "demo", dimensions: int = DIMENSIONS) -> Path:
    """The same as a file, `encoder.npz`."""
    path = folder / "encoder.npz"
    encoder.write(head(model, dimensions), path)
    return path

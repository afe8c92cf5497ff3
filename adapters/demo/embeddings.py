"""Embeddings: a vector for each text, as numbers or as base64."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.demo import events, texts, vectors
from adapters.demo.refusals import prompt_tokens, read, refused

_MAX_INPUTS = 2048
_MAX_INPUT_TOKENS = 8192
_MAX_NUMBERS = 1 << 20
"""Of all vectors together; they make 4 MB in base64 and up to 24 MB as text."""


class Body(Struct):
    input: texts.Texts
    dimensions: Annotated[int, Meta(ge=1, le=vectors.MAX_DIMENSIONS)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


_decoder = msgspec.json.Decoder(Body)


def answer(body: bytes, model: str) -> bytes:
    """The vectors, in the order of the inputs."""
    asked = read(_decoder, body)
    inputs = texts.listed(asked.input, "input")
    counted = _counted(inputs)
    dimensions = asked.dimensions or vectors.DIMENSIONS
    if len(inputs) * dimensions > _MAX_NUMBERS:
        raise refused(f"At most {_MAX_NUMBERS} numbers can be made in one request.", "dimensions")
    made = [vectors.vector(text, dimensions) for text in inputs]
    shown = [_shown(one, asked.encoding_format) for one in made]
    return events.plain({
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(shown)
        ],
        "model": model,
        "usage": {"prompt_tokens": counted, "total_tokens": counted},
    })


def _counted(inputs: Sequence[str]) -> int:
    """The tokens of all inputs, each of which must be of a size that OpenAI takes."""
    if len(inputs) > _MAX_INPUTS:
        raise refused(f"'input' may have at most {_MAX_INPUTS} items.", "input")
    if not all(inputs):
        raise refused("'input' must not be an empty text.", "input")
    counts = [prompt_tokens(text, "input", limit=_MAX_INPUT_TOKENS) for text in inputs]
    return sum(counts)


def _shown(vector: Sequence[float], encoding: str | None) -> Any:
    return b64encode(vectors.packed(vector)).decode() if encoding == "base64" else vector

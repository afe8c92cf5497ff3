import math
import struct
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.demo import vectors
from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask


async def embedded(**members: Any) -> list[Any]:
    return [one["embedding"] for one in (await ask("embeddings", members))["data"]]


async def test_base64_holds_the_same_numbers():
    floats = await embedded(input=["one", "two"])
    packed = await embedded(input=["one", "two"], encoding_format="base64")

    for numbers, text in zip(floats, packed, strict=True):
        assert list(struct.unpack(f"<{len(numbers)}f", b64decode(text))) == numbers


async def test_usage_counts_every_input():
    one = (await ask("embeddings", {"input": "one text"}))["usage"]
    both = (await ask("embeddings", {"input": ["one text", "one text"]}))["usage"]

    assert both["prompt_tokens"] == both["total_tokens"] == 2 * one["prompt_tokens"]


@given(st.text(), st.integers(1, 300))
def test_a_vector_has_the_dimensions_asked_for_and_length_one(text: str, dimensions: int):
    made = vectors.vector(text, dimensions)

    assert len(made) == dimensions
    assert math.hypot(*made) == pytest.approx(1, abs=1e-6)
    assert vectors.vector(text, dimensions) == made


def test_texts_with_much_in_common_are_alike():
    cat, cats, code = map(vectors.vector, ("my cat sleeps", "our cats are sleeping", "compile error in C++"))

    assert vectors.likeness(cat, cats) > vectors.likeness(cat, code) + 0.1


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "word " * 9000}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": ["a"] * 2048, "dimensions": 4096}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
async def test_a_wrong_member_is_named(members: dict[str, Any], param: str):
    with pytest.raises(UpstreamRefused) as raised:
        await ask("embeddings", members)

    assert (raised.value.status, raised.value.param) == (400, param)

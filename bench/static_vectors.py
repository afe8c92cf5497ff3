"""Fetches vectors of tokens out of a pinned package: `python -m bench.static_vectors DIRECTORY`.

They are those of WordLlama (MIT): 32,000 tokens of Llama 2's vocabulary, 256 numbers each, trained so that the mean over a
text's tokens says what it is about.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.wheels import Member, Wheels

PINS = "vectors.txt"
MEMBERS: Sequence[Member] = (
    Member(
        "wordllama",
        "wordllama/weights/l2_supercat_256.safetensors",
        "vectors.safetensors",
        "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    ),
    Member(
        "wordllama",
        "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
        "tokenizer.json",
        "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
    ),
)
_ONE_WHEEL = (
    "--platform=manylinux2014_x86_64",
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
)
"""The same on every machine: the files in all of them are the same."""

if __name__ == "__main__":
    Wheels(PINS, _ONE_WHEEL).fetch(MEMBERS, Path(sys.argv[1]))

"""Hypertokens in what a model streams, for `scenes.decoding`."""

import re
from collections.abc import Mapping

from scenes.decoding import Decoder, Marks
from scenes.hypertokens import SURFACE

SURFACES = Marks("<", SURFACE, re.compile(r"<(?:\|(?:Δ(?:[0-9]{1,6}\|?)?)?)?\Z"), len("<|Δ123456|"))


def decoder(phrases: Mapping[str, str]) -> Decoder:
    """Replaces surfaces by what they stand for, in plain text and in JSON, whose strings alone have some."""
    return Decoder(phrases, SURFACES)

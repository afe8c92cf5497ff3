"""Texts as the older operations take them: one, several, or as tokens."""

from collections.abc import Sequence

from adapters.demo import tokens
from adapters.demo.refusals import refused

Texts = str | list[str | int | list[int]]


def listed(given: Texts, param: str) -> Sequence[str]:
    """The texts; those given as tokens are read back."""
    if isinstance(given, str):
        return [given]
    if not given:
        raise refused(f"'{param}' must not be empty.", param)
    if all(isinstance(item, str) for item in given):
        return [item for item in given if isinstance(item, str)]
    if all(isinstance(item, int) for item in given):
        return [_read([item for item in given if isinstance(item, int)])]
    if all(isinstance(item, list) for item in given):
        return [_read(item) for item in given if isinstance(item, list)]
    raise refused(f"'{param}' must be all texts, all tokens or all arrays of tokens.", param)


def _read(ids: Sequence[int]) -> str:
    """The text of these tokens; another tokenizer's are kept as their numbers, so that they stay distinct."""
    if all(tokens.known(token) for token in ids):
        return tokens.text(ids)
    return " ".join(str(token) for token in ids)

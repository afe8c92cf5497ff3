"""The closed set of outcomes, as the tree of failures spells it."""

from collections.abc import Iterator, Mapping

from app.errors import Failure


def outcomes() -> Mapping[str, int]:
    """Every outcome with its status."""
    return {"ok": 200} | {leaf.__new__(leaf).kind: leaf.status for leaf in _leaves(Failure)}


def _leaves(kind: type[Failure]) -> Iterator[type[Failure]]:
    for each in kind.__subclasses__():
        yield from _leaves(each)
        if not each.__subclasses__():
            yield each

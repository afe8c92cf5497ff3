"""The closed set of outcomes, as the tree of failures spells it."""

from collections.abc import Iterator, Mapping

from app.errors import Failure, UpstreamFailure


def outcomes() -> Mapping[str, int]:
    """Every outcome with its status."""
    return {"ok": 200} | {kind.__new__(kind).kind: kind.status for kind in _raised(Failure)}


def _raised(kind: type[Failure]) -> Iterator[type[Failure]]:
    for each in kind.__subclasses__():
        yield from _raised(each)
        if each is not UpstreamFailure:
            yield each

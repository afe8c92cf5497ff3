"""Where documents become scenes: in this process, or on the machines of a Ray cluster. What comes out is the same, in the same order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from scenes.scene import Scene, read, write
from training.corpus.document import Document
from training.wrong import Wrong

Engine = Literal["local", "ray"]
BATCH = 256


def mapped(
    form: Callable[[Document], Sequence[Scene]], documents: Iterable[Document], engine: Engine
) -> Iterator[tuple[Sequence[Scene], Document]]:
    """The scenes of each document. Raises Wrong where Ray is asked for and is not there."""
    if engine == "local":
        for document in documents:
            yield form(document), document
        return
    yield from _on_ray(form, list(documents))


def _on_ray(
    form: Callable[[Document], Sequence[Scene]], documents: Sequence[Document]
) -> Iterator[tuple[Sequence[Scene], Document]]:
    try:
        import ray  # noqa: PLC0415 - 80 MB that one machine does without
        import ray.data  # noqa: PLC0415
    except ImportError as fault:
        raise Wrong(
            f"scenes.engine: ray is not installed ({fault}); pip install 'hyperbridge[ray]', or engine: local"
        ) from None
    import msgspec  # noqa: PLC0415

    lines = [{"at": at, "document": msgspec.json.encode(document)} for at, document in enumerate(documents)]
    if not ray.is_initialized():
        ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    done = ray.data.from_items(lines).map(lambda row: _row(form, row)).sort("at")
    for row in done.iter_rows():
        yield [read(line) for line in bytes(row["scenes"]).splitlines()], documents[row["at"]]


def _row(form: Callable[[Document], Sequence[Scene]], row: dict[str, Any]) -> dict[str, Any]:
    from training.corpus.document import parse  # noqa: PLC0415 - on a worker

    scenes = form(parse(bytes(row["document"])))
    return {"at": row["at"], "scenes": b"\n".join(map(write, scenes))}

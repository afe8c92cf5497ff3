"""The step `corpus`: documents out of every source, each once, in one file."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from training import lines
from training.corpus import desk
from training.corpus.document import Document, parse
from training.corpus.readers import UNKNOWN, Told, documents
from training.corpus.repeats import Repeats
from training.progress import Progress
from training.recipe import Corpus, DeskSource, FileSource
from training.steps import Figures
from training.wrong import Wrong

DOCUMENTS = "documents.jsonl"
ASIDE = "aside.jsonl"


def make(settings: Corpus, seed: int, out: Path, progress: Progress) -> Figures:
    """Writes documents.jsonl, and aside.jsonl where something could not be read. Raises Wrong where nothing is left."""
    (out / ASIDE).unlink(missing_ok=True)
    aside = lines.SetAside(out / ASIDE)
    counts: Counter[str] = Counter()
    count = lines.write(out / DOCUMENTS, progress.over("documents", _kept(settings, seed, aside, counts)))
    if not count:
        raise Wrong(
            "corpus.sources: nothing that can be used; aside.jsonl says what was wrong with each line"
            if aside.count
            else "corpus.sources: no document in any of them"
        )
    languages = Counter(document.language for document in read(out.parent, out))
    return {
        "documents": count,
        "repeated": counts["repeated"],
        "other_licence": counts["licence"],
        "other_language": counts["language"],
        "set_aside": aside.count,
        **{f"in_{language}": number for language, number in languages.most_common(5)},
    }


def read(run: Path, folder: Path | None = None) -> Iterator[Document]:
    """The documents of a run."""
    with ((folder or run / "corpus") / DOCUMENTS).open("rb") as file:
        for line in file:
            yield parse(line)


def _kept(settings: Corpus, seed: int, aside: lines.SetAside, counts: Counter[str]) -> Iterator[Document]:
    """What is not kept is counted. What was made up repeats on purpose."""
    repeats = Repeats()
    for source in settings.sources:
        for document in _documents(source, seed, aside):
            if settings.licences and document.licence not in settings.licences:
                counts["licence"] += 1
            elif settings.languages and document.language not in {*settings.languages, UNKNOWN}:
                counts["language"] += 1
            elif isinstance(source, FileSource) and repeats.seen(document.said):
                counts["repeated"] += 1
            else:
                yield document


def _documents(source: DeskSource | FileSource, seed: int, aside: lines.SetAside) -> Iterator[Document]:
    if isinstance(source, DeskSource):
        yield from desk.documents(source.desk, seed, source.languages)
        return
    told = Told(source.licence, source.language, source.task)
    for path in source.paths():
        try:
            yield from documents(path, source.format, told, aside)
        except OSError as fault:
            raise Wrong(f"{path} cannot be read: {fault.strerror}") from None

"""Model cards: what a base or an adapter is, what it was made from, what was measured, and what it is not good for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.loras.manifest import Manifest
from scenes.hypertokens import Hypertokens
from training.recipe import Recipe
from training.steps import read_manifest

_SHARES = ("teacher_exact", "student_exact", "student_numbers")


def base_card(recipe: Recipe, run: Path, book: Hypertokens, manifests: Sequence[Manifest]) -> str:
    """Of the base with its hypertokens."""
    corpus = read_manifest(run / "corpus")
    documents = "" if corpus is None else f"{corpus.figures.get('documents', 0):,} documents"
    sources = ", ".join(
        str(getattr(source, "path", "the made-up trading desk")).rpartition("/")[2]
        for source in recipe.corpus.sources
    )
    made = recipe.base.made
    origin = (
        f"Made from nothing: Qwen3 with {made.shape.layers} layers of {made.shape.hidden}, taught {made.steps:,} steps."
        if made is not None
        else "A copy of a checkpoint, in which only the rows of the hypertokens are new."
    )
    adapters = "\n".join(_row(manifest) for manifest in manifests)
    return f"""# {recipe.name}

{origin} Corpus: {documents} ({sources}), seed {recipe.seed}.
{len(book.entries)} hypertokens of the book `{book.id}`, version {book.version}; each stands for a text of
{min(entry.tokens for entry in book.entries)} to {max(entry.tokens for entry in book.entries)} tokens, and `hypertokens.json` lists them.

| adapter | exact answers, teacher | with hypertokens | numbers right | KL | prompts shorter |
| --- | --- | --- | --- | --- | --- |
{adapters}

The teacher is this base, which reads the same in words, with the instruction; measured on exchanges that nothing was learned from.

{_LIMITS[made is not None]}
"""


def adapter_card(manifest: Manifest) -> str:
    """Of one adapter."""
    own = manifest.measured
    return f"""# {manifest.name}

A LoRA (rank {manifest.rank}, {", ".join(manifest.target_modules)}) for {manifest.base.name}, mode `{manifest.mode}`{_register(manifest)}.
Learned from dialogues of the task `{manifest.task}`; languages: {", ".join(manifest.languages)}; licences of the texts:
{", ".join(manifest.licences)}.

Exact answers {_share(own, "student_exact")} (teacher {_share(own, "teacher_exact")}), all numbers right {_share(own, "student_numbers")}, KL to the teacher
{own.get("kl", 0):.4f} nats a token, prompts {own.get("shorter", 0):.1f} times shorter, on {own.get("exchanges", 0)} held-out exchanges.

It fits the tokenizer with SHA-256 {manifest.base.tokenizer_sha256[:16]}...{_book(manifest)} only.
"""


def _book(manifest: Manifest) -> str:
    return (
        "" if manifest.book is None else f" and the book `{manifest.book.id}` {manifest.book.digest[:16]}..."
    )


_LIMITS: Mapping[bool, str] = {
    True: "It is very small and was taught nothing but this corpus: outside of it, it answers with a set phrase or with nonsense. It "
    "shows how the parts work together; nobody should act on what it says.",
    False: "What the base cannot do, it cannot do with hypertokens; texts that were not in the corpus gain nothing.",
}


def _row(manifest: Manifest) -> str:
    own = manifest.measured
    shares = " | ".join(_share(own, name) for name in _SHARES)
    return f"| `{manifest.id}` | {shares} | {own.get('kl', 0):.4f} | {own.get('shorter', 0):.1f} times |"


def _share(measured: Mapping[str, Any], name: str) -> str:
    share = measured.get(name) or {}
    return f"{100 * share.get('value', 0.0):.1f} %"


def _register(manifest: Manifest) -> str:
    return f", register `{manifest.register}`" if manifest.register else ""

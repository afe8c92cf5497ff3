"""The step `publish`: what is served. Nothing comes out where the evaluation missed a bound, or where vLLM would refuse it.

publish/base/          the base with the rows that were learned, its tokenizer, hypertokens.json, a card
publish/loras/         risk@1f3a9c20/  ideas@...    PEFT's plain adapters with their manifests
publish/one_hot/       the same with rows of their own, for the base without them, where the recipe asks for it
publish/gguf/          base.gguf  risk.gguf  ...    for llama.cpp
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.loras import manifest as adapter
from app.loras.linter import faults
from app.loras.manifest import BaseOf, BookOf, Canary, Manifest
from scenes.hypertokens import Hypertokens
from training import one_hot
from training.card import adapter_card, base_card
from training.corpus.making import read
from training.gguf_files import write_adapter, write_base
from training.hyper_rows import FILE as ROWS
from training.hyper_rows import HyperRows
from training.measures import Answered
from training.recipe import Recipe
from training.rows import BOOK
from training.steps import Figures
from training.wrong import Wrong

BASE, LORAS, ONE_HOT, GGUF = "base", "loras", "one_hot", "gguf"


def make(recipe: Recipe, run: Path, out: Path) -> Figures:
    """Raises Wrong with what was missed."""
    evaluation: dict[str, Any] = msgspec.json.decode((run / "evaluate" / "evaluation.json").read_bytes())
    if evaluation["missed"]:
        raise Wrong("publish: not what the recipe asks for\n  " + "\n  ".join(evaluation["missed"]))
    for name in (BASE, LORAS, ONE_HOT, GGUF):  # of a process that was killed
        shutil.rmtree(out / name, ignore_errors=True)
    book = Hypertokens.from_json((run / "hypertokens" / BOOK).read_bytes())
    work = _Work(recipe, run, out, book, evaluation)
    _base(recipe, run, out / BASE, book)
    manifests = [_adapter(work, name) for name in recipe.training.adapters]
    if recipe.publishing.one_hot:
        for manifest in manifests:
            _one_hot(run, out, manifest)
    if recipe.publishing.gguf:
        _gguf(recipe, out, manifests)
    (out / BASE / "README.md").write_text(base_card(recipe, run, book, manifests), "utf-8")
    sizes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "adapters": len(manifests),
        "names": ", ".join(manifest.name for manifest in manifests),
        "bytes": sizes,
    }


@dataclass(frozen=True, slots=True)
class _Work:
    """What is published, and where."""

    recipe: Recipe
    run: Path
    out: Path
    book: Hypertokens
    evaluation: Mapping[str, Any]


def _base(recipe: Recipe, run: Path, folder: Path, book: Hypertokens) -> None:
    """The checkpoint of `hypertokens` with the rows written into it."""
    kind = getattr(torch, recipe.publishing.dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(run / "hypertokens", local_files_only=True)
    rows = HyperRows(model, [entry.id for entry in book.entries])
    rows.load(run / "lora")
    rows.write(model)
    model.to(kind).save_pretrained(folder, max_shard_size="1TB")  # one file, which others read
    AutoTokenizer.from_pretrained(run / "hypertokens").save_pretrained(folder)
    (folder / BOOK).write_bytes((run / "hypertokens" / BOOK).read_bytes())
    if adapter.hash_of(folder / "tokenizer.json") != book.tokenizer_sha256:
        raise Wrong("publish: the tokenizer is not the one that the book was made with")
    for file in folder.iterdir():
        file.chmod(0o644)


def _adapter(work: _Work, name: str) -> Manifest:
    settings = work.recipe.training
    config: dict[str, Any] = msgspec.json.decode(
        (work.run / "lora" / name / "adapter_config.json").read_bytes()
    )
    config |= {"base_model_name_or_path": work.recipe.name, "inference_mode": True}
    folder = work.out / LORAS / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=1))
    (folder / "adapter_model.safetensors").write_bytes(
        (work.run / "lora" / name / "adapter_model.safetensors").read_bytes()
    )
    languages, licences = _told(work.run, settings.adapters[name].task or name)
    manifest = Manifest(
        id=name,
        version=adapter.version_of(folder),
        base=BaseOf(
            work.recipe.name,
            adapter.hash_of(work.out / BASE / "model.safetensors"),
            work.book.tokenizer_sha256,
        ),
        rank=settings.lora.r,
        target_modules=settings.lora.target_modules,
        book=BookOf(work.book.id, work.book.version, work.book.digest),
        mode=settings.mode,
        task=settings.adapters[name].task or name,
        register=settings.adapters[name].register_,
        languages=languages,
        licences=licences,
        measured=next(each for each in work.evaluation["adapters"] if each["name"] == name),
        canary=_canary(work, settings.adapters[name].task or name),
    )
    return _finished(folder, work.out / BASE, manifest)


def _one_hot(run: Path, out: Path, manifest: Manifest) -> None:
    folder = out / ONE_HOT / manifest.id
    one_hot.write(out / LORAS / manifest.name, run / "hypertokens", load_file(run / "lora" / ROWS), folder)
    base = msgspec.structs.replace(
        manifest.base,
        name=f"{manifest.base.name}, without rows",
        weights_sha256=adapter.hash_of(run / "hypertokens" / "model.safetensors"),
    )
    own = msgspec.structs.replace(
        manifest, version=adapter.version_of(folder), base=base, one_hot=True, canary=None
    )
    _finished(folder, run / "hypertokens", own)


def _finished(folder: Path, base: Path, manifest: Manifest) -> Manifest:
    """Under its name, with its manifest and card, where the linter finds nothing."""
    adapter.write(folder, manifest)
    (folder / "README.md").write_text(adapter_card(manifest), "utf-8")
    wrong = [*faults(folder, base)]
    if wrong:
        raise Wrong(f"publish: vLLM would refuse {manifest.id}\n  " + "\n  ".join(wrong))
    folder.rename(folder.with_name(manifest.name))
    return manifest


def _gguf(recipe: Recipe, out: Path, manifests: Sequence[Manifest]) -> None:
    folder = out / GGUF
    folder.mkdir()
    write_base(out / BASE, folder / "base.gguf", recipe.name, recipe.publishing.gguf_weights)
    for manifest in manifests:
        write_adapter(out / LORAS / manifest.name, out / BASE, folder / f"{manifest.id}.gguf", manifest.name)
    (folder / BOOK).write_bytes((out / BASE / BOOK).read_bytes())


def _told(run: Path, task: str) -> tuple[Sequence[str], Sequence[str]]:
    """Languages and licences of what an adapter learned from, most first."""
    languages: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    for document in read(run):
        if document.task == task:
            languages[document.language] += 1
            licences[document.licence] += 1
    return [name for name, _ in languages.most_common()], [name for name, _ in licences.most_common()]


def _canary(work: _Work, task: str) -> Canary | None:
    """An exchange of the evaluation that it answered as wanted."""
    with (work.run / "evaluate" / "answers.jsonl").open("rb") as file:
        answers = (msgspec.json.decode(line, type=Answered) for line in file)
        right = (each for each in answers if each.task == task and each.student == each.wanted)
        first = next(right, None)
    if first is None:
        return None
    return Canary(first.asked, first.student, work.book.encode(first.asked))

"""Puts texts as tokens into a Hugging Face model: tokens into its tokenizer, a row for each into its embeddings.

Rows begin as the mean of the rows of the text's own tokens ("AdaptiVocab" and PEFT's own habit for new tokens): near what the text
says, for a model that has learned nothing of it yet. They are trained afterwards; a row that was never set is worse than one of
chance, since padding rows all point one way after pre-training.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer

from scenes.hypertokens import Hypertoken, Hypertokens
from training.book import Text, read
from training.recipe import Tokens
from training.steps import Figures
from training.wrong import Wrong, unwritable

MULTIPLE = 64
"""Of rows, where there must be more of them."""
BOOK = "hypertokens.json"


def make(settings: Tokens, run: Path, out: Path) -> Figures:
    """The step `hypertokens`: a copy of the base in which each chosen text is a token, and the book of them."""
    with (run / "choice" / "texts.jsonl").open("rb") as lines:
        texts = read(lines)
    base = Base.read(run / "base")
    entries = put(base, texts, resize=settings.resize)
    base.write(out)
    made = book(settings.id, settings.version, out, entries)
    (out / BOOK).write_bytes(made.to_json())
    return {"tokens": len(entries), "free_rows": base.free_rows, "digest": made.digest}


@dataclass(frozen=True, slots=True)
class Base:
    """A model with its tokenizer."""

    model: Any
    tokenizer: Any

    @classmethod
    def read(cls, folder: Path) -> "Base":
        """From a checkpoint's folder; nothing is fetched. Raises Wrong."""
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as fault:
            raise Wrong(f"{folder} is no checkpoint that transformers can read: {fault}") from None
        return cls(model, tokenizer)

    @property
    def free_rows(self) -> int:
        """Rows that no token has: a vocabulary is padded to more of them."""
        return int(self.model.get_input_embeddings().weight.shape[0]) - len(self.tokenizer)

    def write(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        for file in folder.iterdir():  # safetensors are written for the owner alone, and served by others
            file.chmod(0o644)


def copied(base_folder: Path, texts_file: Path, out: Path, name: str, *, resize: bool = False) -> str:
    """Such a copy without a run, and what came of it in words. Raises Wrong, and leaves nothing half made."""
    if out.exists():
        raise Wrong(f"{out} is there already: name another folder, or take it away")
    try:
        with texts_file.open("rb") as lines:
            texts = read(lines)
    except OSError as fault:
        raise Wrong(f"{texts_file} cannot be read: {fault.strerror}") from None
    except Wrong as fault:
        raise Wrong(f"{texts_file}: {fault}") from None
    base = Base.read(base_folder)
    entries = put(base, texts, resize=resize)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        base.write(partial)
        (partial / BOOK).write_bytes(book(name, 1, partial, entries).to_json())
        partial.replace(out)
    except OSError as fault:
        raise unwritable(out, fault) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    saved = sum(entry.tokens - 1 for entry in entries)
    return (
        f"{len(entries)} tokens, {base.free_rows} rows left; {saved} tokens saved where each text stands once"
    )


def put(base: Base, texts: Sequence[Text], *, resize: bool = False) -> Sequence[Hypertoken]:
    """Each text as a token of the base, which is changed. Raises Wrong where there is no room, or a text is no token then."""
    tokens = [_ids(base, text.phrase) for text in texts]
    _make_room(base, len(texts), resize=resize)
    known = len(base.tokenizer)
    # special tokens are left out of what vLLM tells; normalised ones are found in other writings
    base.tokenizer.add_tokens([AddedToken(text.surface, special=False, normalized=False) for text in texts])
    if len(base.tokenizer) != known + len(texts):
        raise Wrong("the tokenizer has some of these tokens already: give other numbers")
    entries = [
        Hypertoken(
            text.surface, _one(base, text), text.phrase, len(own), text.delta, text.hyperlexeme, text.register
        )
        for text, own in zip(texts, tokens, strict=True)
    ]
    _begin(base, [(entry.id, own) for entry, own in zip(entries, tokens, strict=True)])
    return entries


def book(name: str, version: int, folder: Path, entries: Sequence[Hypertoken]) -> Hypertokens:
    """The book of a tokenizer that was written to this folder."""
    digest = sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    return Hypertokens(name, version, digest, tuple(entries))


def _ids(base: Base, text: str) -> list[int]:
    ids: list[int] = base.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _make_room(base: Base, wanted: int, *, resize: bool) -> None:
    """Free rows are used; `resize_token_embeddings` is asked for more alone, since for fewer it would cut rows off."""
    if wanted <= base.free_rows:
        return
    if not resize:
        raise Wrong(
            f"{wanted} texts, and the base has {base.free_rows} rows that no token has: give fewer, or --resize, "
            "which makes a base that no adapter made before fits"
        )
    base.model.resize_token_embeddings(
        len(base.tokenizer) + wanted, pad_to_multiple_of=MULTIPLE, mean_resizing=False
    )


def _one(base: Base, text: Text) -> int:
    """The id of a text's token, which must be found within other text as well."""
    [token] = _ids(base, text.surface) if len(_ids(base, text.surface)) == 1 else [-1]
    around = _ids(base, f"a{text.surface}{text.surface}1")
    told = base.tokenizer.decode(around, skip_special_tokens=True)
    if token < 0 or around.count(token) != 2 or text.surface * 2 not in told:
        raise Wrong(f"{text.surface} is not one token of this tokenizer, or does not come back from it")
    return token


def _begin(base: Base, rows: Sequence[tuple[int, list[int]]]) -> None:
    tables = {
        id(table): table for table in (base.model.get_input_embeddings(), base.model.get_output_embeddings())
    }
    with torch.no_grad():
        for table in tables.values():
            weight = table.weight
            for row, own in rows:
                weight[row] = weight[own].mean(dim=0)

"""The step `base`: a Qwen3 model, taught from nothing to speak as the corpus does.

Answers weigh most, what stands around them a tenth: a prompt's words are given, and its numbers cannot be known. Short documents
come first. The matrices learn by Muon (Jordan et al., 2024: the momentum, orthogonalised), the embeddings and norms by AdamW.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Qwen3Config, Qwen3ForCausalLM

from training import chat
from training.checkpoint import Checkpoint, seeded
from training.corpus.document import Document
from training.corpus.making import read
from training.curves import Curve
from training.progress import Progress
from training.recipe import Pretraining, Recipe, Shape
from training.steps import Figures
from training.vocabulary import learned
from training.wrong import Wrong

AROUND = 0.1
"""The weight of a token that is no answer's."""
_SHOWN_SHARE = 0.15
"""Of those tokens a step looks at: the others would cost their logits and teach little."""
_WARM_STEPS = 50
_SHORT_SHARE = 0.3
"""Of the steps, in which the longest document allowed grows to the longest there is."""
_POOL = 256
_SHORTEST = 96
_VALIDATED = 200
_CURVE_STEPS = 20


@dataclass(frozen=True, slots=True)
class Taught:
    """A document in tokens, and which of them are an answer's."""

    tokens: Sequence[int]
    answers: Sequence[bool]


def make(recipe: Recipe, run: Path, out: Path, progress: Progress) -> Figures:
    """Writes a checkpoint of transformers, and the curve. Goes on from the last checkpoint of its own in there."""
    settings = recipe.base.made
    assert settings is not None
    seeded(recipe.seed)
    documents, held_out = _divided(recipe, run)
    tokenizer = learned(_texts(documents), settings.shape.vocabulary)
    taught = [taught_of(document, tokenizer) for document in documents]
    if not taught:
        raise Wrong("base.made: the corpus has nothing to learn from")
    pupil = Pupil(Qwen3ForCausalLM(_config(settings.shape, tokenizer)), settings, recipe.seed)
    pupil.learn(taught, out, progress)
    pupil.model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    for file in out.iterdir():
        file.chmod(0o644)
    (out / Checkpoint.NAME).unlink(missing_ok=True)
    kept = [taught_of(each, tokenizer) for each in held_out] or taught[:_VALIDATED]
    parameters = sum(weight.numel() for weight in pupil.model.parameters())
    return {"parameters": parameters, "tokens": len(tokenizer), "held_out_loss": validated(pupil.model, kept)}


def _divided(recipe: Recipe, run: Path) -> tuple[Sequence[Document], Sequence[Document]]:
    """What is learned from, and some of what is held out."""
    seen: list[Document] = []
    held_out: list[Document] = []
    for document in read(run):
        if not document.held_out(recipe.seed, recipe.corpus.held_out):
            seen.append(document)
        elif len(held_out) < _VALIDATED:
            held_out.append(document)
    return seen, held_out


def _texts(documents: Sequence[Document]) -> Iterator[str]:
    """All that is said, and who says it: the names of roles stand in every prompt."""
    for document in documents:
        yield from (
            (document.text,)
            if document.text
            else (f"{message.role}\n{message.content}" for message in document.messages)
        )


def taught_of(document: Document, tokenizer: Any) -> Taught:
    """A dialogue in ChatML, a text with its end."""
    parts = [*chat.segments(document.messages)] if document.messages else [(document.text + chat.PAD, True)]
    tokens: list[int] = []
    answers: list[bool] = []
    for text, is_answer in parts:
        found = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens += found
        answers += [is_answer] * len(found)
    return Taught(tokens, answers)


def _config(shape: Shape, tokenizer: Any) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=len(tokenizer) + shape.free_rows,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.context_tokens,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


class Pupil:
    """A model that is taught."""

    def __init__(self, model: Any, settings: Pretraining, seed: int) -> None:
        self.model = model
        self._settings = settings
        self._seed = seed
        self._optimizers = _optimizers(model, settings)

    def learn(self, taught: Sequence[Taught], out: Path, progress: Progress) -> None:
        """All steps, from the last checkpoint in the folder on."""
        steps = self._settings.steps
        checkpoint = Checkpoint(out, [*self.model.parameters()], self._optimizers)
        curve = Curve(out / "curve.csv", ("step", "loss", "answer_loss"))
        first = checkpoint.restore()
        curve.cut(first)
        self.model.train()
        with progress.bar("base", steps, "step") as bar:
            bar.update(first)
            batches = zip(range(steps), _batches(taught, self._settings, self._seed), strict=False)
            for step, batch in islice(batches, first, None):
                loss, answers = self._step(step, batch)
                if step % _CURVE_STEPS == 0 or step + 1 == steps:
                    curve.add(step, loss, answers)
                    bar.set_postfix_str(f"loss {answers:.3f}")
                bar.update()
                if (step + 1) % self._settings.checkpoint_every == 0:
                    checkpoint.save(step + 1)
        curve.plot(out / "curve.svg", "answer_loss", "Loss of answers, in nats a token")

    def _step(self, step: int, batch: Sequence[Taught]) -> tuple[float, float]:
        pace = _pace(step, self._settings.steps)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * pace
        loss, answers = _loss(self.model, batch, self._seed + step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item(), answers


def _optimizers(model: Any, settings: Pretraining) -> Sequence[torch.optim.Optimizer]:
    named = [*model.named_parameters()]
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    others = [weight for name, weight in named if weight.ndim != 2 or "embed" in name]
    made: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=settings.rate, weight_decay=0.0),
        torch.optim.AdamW(others, lr=settings.embedding_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for optimizer in made:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return made


def _pace(step: int, steps: int) -> float:
    """Of the rate: it rises, stays, and falls in the second half."""
    return min(1.0, (step + 1) / _WARM_STEPS) * min(1.0, 2 * (1 - step / steps) + 0.02)


def _loss(model: Any, batch: Sequence[Taught], seed: int) -> tuple[torch.Tensor, float]:
    """The weighted loss, and that of answers alone."""
    tokens, weights = _padded(batch)
    hidden = model.model(input_ids=tokens).last_hidden_state[:, :-1]
    weights = weights[:, 1:]
    drawn = torch.rand(weights.shape, generator=torch.Generator().manual_seed(seed))
    looked_at = (weights == 1) | ((weights > 0) & (drawn < _SHOWN_SHARE))
    losses = cross_entropy(model.lm_head(hidden[looked_at]), tokens[:, 1:][looked_at], reduction="none")
    weighed = weights[looked_at]
    return (losses * weighed).sum() / weighed.sum(), losses[weighed == 1].mean().item()


def validated(model: Any, taught: Sequence[Taught]) -> float:
    """The mean loss of answers, in nats a token."""
    model.eval()
    total = tokens = 0.0
    with torch.inference_mode():
        for start in range(0, len(taught), 16):
            batch = sorted(taught[start : start + 16], key=lambda each: len(each.tokens))
            ids, weights = _padded(batch)
            answers = weights[:, 1:] == 1
            logits = model(input_ids=ids).logits[:, :-1][answers]
            total += cross_entropy(logits, ids[:, 1:][answers], reduction="sum").item()
            tokens += answers.sum().item()
    model.train()
    return total / max(tokens, 1.0)


def _padded(batch: Sequence[Taught]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, and a weight for each: 0 is padding, which nothing behind it attends to."""
    longest = max(len(each.tokens) for each in batch)
    tokens = torch.zeros((len(batch), longest), dtype=torch.long)
    weights = torch.zeros((len(batch), longest))
    for row, each in enumerate(batch):
        tokens[row, : len(each.tokens)] = torch.tensor(each.tokens)
        weights[row, : len(each.tokens)] = torch.tensor([
            1.0 if answer else AROUND for answer in each.answers
        ])
    return tokens, weights


def _batches(taught: Sequence[Taught], settings: Pretraining, seed: int) -> Iterator[Sequence[Taught]]:
    """Batches of documents of about one length, the same for the same seed; the longest allowed grows with the steps."""
    longest = max(len(each.tokens) for each in taught)
    step = 0
    for epoch in count():
        shuffled = [*taught]
        random.Random(f"{seed}:{epoch}").shuffle(shuffled)
        for start in range(0, len(shuffled), _POOL):
            grown = min(1.0, step / max(1.0, _SHORT_SHARE * settings.steps))
            allowed = max(_SHORTEST, math.ceil(longest * grown))
            pool = sorted(
                (each for each in shuffled[start : start + _POOL] if len(each.tokens) <= allowed),
                key=lambda each: len(each.tokens),
            )
            batches = [*_cut(pool, settings.batch_tokens)]
            random.Random(f"{seed}:{epoch}:{start}").shuffle(batches)
            yield from batches
            step += len(batches)


def _cut(pool: Sequence[Taught], tokens: int) -> Iterator[Sequence[Taught]]:
    batch: list[Taught] = []
    for each in pool:
        batch.append(each)
        if len(batch) * len(each.tokens) >= tokens:
            yield batch
            batch = []
    if batch:
        yield batch

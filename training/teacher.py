"""What the base says that reads everything in words: its likeliest next tokens at each token of an answer, kept on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.examples import Example
from training.progress import Progress
from training.reader import Reader, asked

_PART = 256
_BATCH_TOKENS = 4096
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Opinion:
    """At N places: the likeliest tokens (N, top), their log-probabilities, and the probability of all others (N)."""

    tokens: Tensor
    logs: Tensor
    rest: Tensor

    @classmethod
    def of(cls, opinions: Sequence["Opinion"]) -> "Opinion":
        """Several, one behind the other."""
        return cls(
            torch.cat([each.tokens for each in opinions]).long(),
            torch.cat([each.logs for each in opinions]).float(),
            torch.cat([each.rest for each in opinions]).float(),
        )

    def to(self, device: torch.device) -> "Opinion":
        return Opinion(self.tokens.to(device), self.logs.to(device), self.rest.to(device))

    def divergence(self, logits: Tensor) -> Tensor:
        """The mean of KL(teacher || student), in nats, where all tokens beside the likeliest count as one."""
        logs = logits.log_softmax(-1).gather(-1, self.tokens)
        rest = (1 - logs.exp().sum(-1)).clamp(min=_LEAST)
        own = (self.logs.exp() * (self.logs - logs)).sum(-1)
        others = self.rest * (self.rest.clamp(min=_LEAST).log() - rest.log())
        return (own + others).mean()


class Teacher:
    """Asks the model, which is the base now, once for each example; parts that are on disk already are read."""

    def __init__(self, model: Any, top: int, folder: Path, progress: Progress) -> None:
        self._reader = Reader(model)
        self._device = model.device
        self._top = min(top, model.config.vocab_size)
        self._folder = folder
        self._progress = progress

    def opinions(self, name: str, examples: Sequence[Example]) -> Sequence[Opinion]:
        """In the order of the examples, at their pairs."""
        found: list[Opinion] = []
        starts = range(0, len(examples), _PART)
        for start in self._progress.over(f"teacher of {name}", starts, len(starts)):
            part = examples[start : start + _PART]
            path = self._folder / f"teacher-{name}-{start:06}.safetensors"
            if not path.exists():
                self._write(path, self._asked(part))
            found += _parted(load_file(path), [len(example.pairs) for example in part])
        return found

    def _asked(self, examples: Sequence[Example]) -> Sequence[Opinion]:
        order = sorted(range(len(examples)), key=lambda at: len(examples[at].teacher.tokens))
        found: dict[int, Opinion] = {}
        batch: list[int] = []
        for at in order:
            batch.append(at)
            if len(batch) * len(examples[at].teacher.tokens) >= _BATCH_TOKENS:
                found |= self._batch(examples, batch)
                batch = []
        if batch:
            found |= self._batch(examples, batch)
        return [found[at] for at in range(len(examples))]

    def _batch(self, examples: Sequence[Example], batch: Sequence[int]) -> dict[int, Opinion]:
        sides = [examples[at].teacher for at in batch]
        tokens, places, _ = asked(sides, self._device)
        with torch.inference_mode():
            logs = self._reader(tokens, places).log_softmax(-1).cpu()
        rows = logs.split([len(side.answer) for side in sides])
        return {
            at: self._opinion(own[[place for place, _ in examples[at].pairs]])
            for at, own in zip(batch, rows, strict=True)
        }

    def _opinion(self, logs: Tensor) -> Opinion:
        best = logs.topk(self._top, -1)
        return Opinion(best.indices.int(), best.values, (1 - best.values.exp().sum(-1)).clamp(min=0.0))

    def _write(self, path: Path, opinions: Sequence[Opinion]) -> None:
        whole = {
            "tokens": torch.cat([each.tokens for each in opinions]),
            "logs": torch.cat([each.logs for each in opinions]).clamp(min=-60.0).half(),
            "rest": torch.cat([each.rest for each in opinions]),
        }
        beside = path.with_suffix(".tmp")
        save_file(whole, beside)
        beside.replace(path)


def _parted(whole: dict[str, Tensor], sizes: Sequence[int]) -> Sequence[Opinion]:
    parts = zip(*(whole[name].split(list(sizes)) for name in ("tokens", "logs", "rest")), strict=True)
    return [Opinion(*part) for part in parts]

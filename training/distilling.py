"""The step `lora`: hypertokens and adapters learn to answer as the base does that reads everything in words.

    kl * KL(teacher || student) at the tokens of the answer   + next_token * cross-entropy of the answer as it is written
    + reconstruction * the tokens of its text out of a row    + fields * the register of its text out of a row

The teacher is the base itself, without adapters and hypertokens, and is asked once for each example: its likeliest tokens are
kept, and the rest of its probability as one (a bound of the divergence from below, which the evaluation computes in full). The
rows are shared: each batch is one adapter's, and all of them move the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer

from scenes.hypertokens import Hypertokens
from scenes.scene import Register
from training.checkpoint import Checkpoint, seeded
from training.corpus.making import read
from training.curves import Curve
from training.examples import Example, Examples
from training.progress import Progress
from training.reader import Reader, asked
from training.recipe import Distilling, Recipe
from training.rows import BOOK
from training.steps import Figures
from training.student import Student
from training.teacher import Opinion
from training.wrong import Wrong

REGISTERS: Sequence[Register] = ("logic", "emotion", "archetype", "function")
_VALIDATION_SHARE = 0.05
_VALIDATED = 64
_WARM_STEPS = 20


def make(recipe: Recipe, run: Path, out: Path, progress: Progress) -> Figures:
    """Writes rows.safetensors, an adapter of PEFT's in a folder each, and the curve. Goes on from its own checkpoint."""
    settings = recipe.training
    seeded(recipe.seed)
    accelerator = Accelerator(
        mixed_precision="bf16" if settings.bf16 else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    book = Hypertokens.from_json((run / "hypertokens" / BOOK).read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(run / "hypertokens")
    examples = _examples(recipe, run, Examples(tokenizer, book, settings.mode))
    student = Student.of(settings, run / "hypertokens", book, accelerator)
    with accelerator.main_process_first():  # which writes what the others read then
        opinions = student.opinions(settings.top, out, progress, examples)
    lessons = {name: Lessons.of(name, own, opinions[name]) for name, own in examples.items()}
    learning = Learning(settings, recipe.seed, student, Meant.of(book, tokenizer), accelerator)
    figures = learning.run(lessons, out, progress)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        student.save(out)
        (out / Checkpoint.NAME).unlink(missing_ok=True)
        for file in out.glob("teacher-*"):
            file.unlink()
    return {"examples": sum(map(len, examples.values())), **figures}


def _examples(recipe: Recipe, run: Path, made: Examples) -> Mapping[str, Sequence[Example]]:
    """By adapter: the exchanges of its task, with a share of those of no task, which it shall leave as they are. Raises Wrong."""
    settings = recipe.training
    by_task: dict[str, list[Example]] = {}
    for document in read(run):
        if document.messages and not document.held_out(recipe.seed, recipe.corpus.held_out):
            bucket = by_task.setdefault(document.task, [])
            if len(bucket) < settings.examples and (example := made.of(document)) is not None:
                bucket.append(example)
    found: dict[str, Sequence[Example]] = {}
    for name, adapter in settings.adapters.items():
        own = by_task.get(adapter.task or name, [])
        if not own:
            raise Wrong(
                f"training.adapters.{name}: the corpus has no dialogue of the task {adapter.task or name!r}"
            )
        others = by_task.get("", [])[: int(len(own) * settings.other_talk / (1 - settings.other_talk))]
        found[name] = [*own, *others]
    return found


@dataclass(frozen=True, slots=True)
class Lessons:
    """One adapter's examples with what the teacher says of each; numbers of those it learns from, and of those that validate."""

    examples: Sequence[Example]
    opinions: Sequence[Opinion]
    learned: Sequence[int]
    kept: Sequence[int]

    @classmethod
    def of(cls, name: str, examples: Sequence[Example], opinions: Sequence[Opinion]) -> "Lessons":
        numbers = [*range(len(examples))]
        Random(name).shuffle(numbers)
        count = min(_VALIDATED, max(1, int(len(examples) * _VALIDATION_SHARE)))
        return cls(examples, opinions, sorted(numbers[count:]) or numbers, sorted(numbers[:count]))

    def some(self, numbers: Sequence[int]) -> tuple[Sequence[Example], Opinion]:
        return [self.examples[at] for at in numbers], Opinion.of([self.opinions[at] for at in numbers])


@dataclass(frozen=True, slots=True)
class Meant:
    """What each hypertoken stands for: the tokens of its text, and the number of its register, or -1."""

    tokens: Sequence[Sequence[int]]
    registers: Sequence[int]

    @classmethod
    def of(cls, book: Hypertokens, tokenizer: Any) -> "Meant":
        registers = [REGISTERS.index(entry.register) if entry.register else -1 for entry in book.entries]
        tokens = [tokenizer(entry.phrase, add_special_tokens=False)["input_ids"] for entry in book.entries]
        return cls(tokens, registers)


class Learning:
    """The loop."""

    def __init__(
        self, settings: Distilling, seed: int, student: Student, meant: Meant, accelerator: Accelerator
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._student = student
        self._accelerator = accelerator
        self._meant = [torch.tensor(ids, device=accelerator.device) for ids in meant.tokens]
        self._registers = torch.tensor(meant.registers, device=accelerator.device)
        self._telling = nn.Linear(student.rows.read.shape[1], len(REGISTERS)).to(accelerator.device)
        groups: list[dict[str, Any]] = [{"params": student.weights, "lr": settings.rate}]
        if settings.rows == "trained":
            groups.append({"params": [*student.rows.parameters()], "lr": settings.row_rate})
        if settings.fields:
            groups.append({"params": [*self._telling.parameters()], "lr": settings.rate})
        self._rates: Sequence[float] = [group["lr"] for group in groups]
        self._learning: Sequence[Tensor] = [weight for group in groups for weight in group["params"]]
        reader, optimizer = Reader(student.adapted), torch.optim.AdamW(groups, weight_decay=0.0)
        self._reader, self._optimizer = accelerator.prepare(reader, optimizer)

    def run(self, lessons: Mapping[str, Lessons], out: Path, progress: Progress) -> Figures:
        """Ends early where the validation no longer gains; what was best is what stays."""
        settings = self._settings
        checkpoint = Checkpoint(out, self._learning, [self._optimizer])
        curve = Curve(out / "curve.csv", ("step", "loss", "kl", "validation_kl"))
        first, more = checkpoint.restored()
        best = Best(more)
        leads = self._accelerator.is_main_process
        if leads:
            curve.cut(first)
        with progress.bar("lora", settings.steps, "step") as bar:
            bar.update(first)
            for step in range(first, settings.steps):
                loss, kl = self._step(step, lessons)
                bar.update()
                bar.set_postfix_str(f"kl {kl:.4f}")
                if (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps:
                    validation = self._validated(lessons)
                    if leads:
                        curve.add(step + 1, loss, kl, validation)
                    if best.see(step + 1, validation, self._learning) >= settings.patience:
                        break
                if leads and (step + 1) % settings.checkpoint_every == 0:
                    checkpoint.save(step + 1, best.state())
        best.restore(self._learning)
        if leads:
            self._plot(curve, out)
        return {"steps": best.step, "validation_kl": best.value}

    @staticmethod
    def _plot(curve: Curve, out: Path) -> None:
        title = "Divergence from the teacher, in nats a token (validation)"
        curve.plot(out / "curve.svg", "validation_kl", title)

    def _step(self, step: int, lessons: Mapping[str, Lessons]) -> tuple[float, float]:
        """The adapters take turns; the rates fall to nothing, after a short rise."""
        pace = min(1.0, (step + 1) / _WARM_STEPS) * (1 - step / self._settings.steps)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * pace
        names = [*lessons]
        name = names[step % len(names)]
        adapted = self._student.adapted
        adapted.set_adapter(name)
        adapted.train()
        loss, kl = self._loss(*lessons[name].some(self._drawn(step, lessons[name].learned)))
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._learning, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.item(), kl.item()

    def _drawn(self, step: int, numbers: Sequence[int]) -> Sequence[int]:
        """The same for the same step; of several processes each takes its part."""
        batch = Random(f"{self._seed}:{step}").sample(numbers, min(self._settings.batch, len(numbers)))
        own = batch[self._accelerator.process_index :: self._accelerator.num_processes]
        return own or batch[:1]

    def _loss(self, examples: Sequence[Example], opinion: Opinion) -> tuple[Tensor, Tensor]:
        """The whole loss, and the divergence alone."""
        settings = self._settings
        tokens, places, wanted = asked([example.student for example in examples], self._accelerator.device)
        logits = self._reader(tokens, places)
        kl = opinion.to(logits.device).divergence(logits[_seen(examples)])
        loss = settings.kl * kl + settings.next_token * cross_entropy(logits, wanted)
        if settings.reconstruction:
            loss = loss + settings.reconstruction * self._reconstruction()
        if settings.fields and bool((self._registers >= 0).any()):
            told = self._telling(self._student.rows.read)
            loss = loss + settings.fields * cross_entropy(told, self._registers, ignore_index=-1)
        return loss, kl

    def _reconstruction(self) -> Tensor:
        """How unlikely a row holds the tokens of its own text, by the base's table: -log softmax(row . table) of them."""
        rows = self._student.rows
        scores = (rows.read @ self._student.table.T).index_fill(-1, rows.ids, -torch.inf).log_softmax(-1)
        return -torch.stack([row[own].mean() for row, own in zip(scores, self._meant, strict=True)]).mean()

    def _validated(self, lessons: Mapping[str, Lessons]) -> float:
        """The mean divergence on examples that nothing is learned from."""
        self._student.adapted.eval()
        total = count = 0.0
        for name, own in lessons.items():
            self._student.adapted.set_adapter(name)
            for start in range(0, len(own.kept), self._settings.batch):
                batch = own.kept[start : start + self._settings.batch]
                with torch.no_grad():
                    _, kl = self._loss(*own.some(batch))
                total += kl.item() * len(batch)
                count += len(batch)
        return total / count


class Best:
    """The weights that validated best so far."""

    def __init__(self, state: Any = None) -> None:
        self.step: int = 0
        self.value: float = float("inf")
        self._waits = 0
        self._weights: Sequence[Tensor] = []
        if state is not None:
            self.step, self.value, self._waits, self._weights = state

    def see(self, step: int, value: float, weights: Sequence[Tensor]) -> int:
        """How many validations ago the best one was."""
        if value < self.value:
            self.step, self.value, self._waits = step, value, 0
            self._weights = [weight.detach().cpu().clone() for weight in weights]
        else:
            self._waits += 1
        return self._waits

    def state(self) -> Any:
        return self.step, self.value, self._waits, [*self._weights]

    def restore(self, weights: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for weight, kept in zip(weights, self._weights, strict=False):
                weight.copy_(kept)


def _seen(examples: Sequence[Example]) -> Sequence[int]:
    """The places, among all tokens of the answers, that the teacher saw, too."""
    found: list[int] = []
    before = 0
    for example in examples:
        found += [before + at for _, at in example.pairs]
        before += len(example.student.answer)
    return found

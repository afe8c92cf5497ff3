"""The step `evaluate`: the student beside its teacher on exchanges that neither learned from.

Both answer greedily. The teacher reads words and the instruction, by the base alone; the student hypertokens, by its adapter. What is
measured is in `training.measures`; the gate says whether it may be published, and a report shows it (report.html).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from scenes.hypertokens import Hypertokens
from scenes.measures import associativity
from training import lines
from training.corpus.document import Document
from training.corpus.making import read
from training.examples import Example, Examples, Side
from training.hyper_rows import HyperRows
from training.measures import Answered, Evaluated, Measured, measured
from training.progress import Progress
from training.reader import Reader, asked
from training.recipe import Evaluation, Recipe
from training.report import page
from training.rows import BOOK
from training.steps import Figures
from training.wrong import Wrong

ANSWERS = "answers.jsonl"
EVALUATION = "evaluation.json"
_BATCH = 32


def make(recipe: Recipe, run: Path, out: Path, progress: Progress) -> Figures:
    """Writes every answer, the measures and the report."""
    book = Hypertokens.from_json((run / "hypertokens" / BOOK).read_bytes())
    model, rows = loaded(run, [*recipe.training.adapters], book)
    examples = Examples(AutoTokenizer.from_pretrained(run / "hypertokens"), book, recipe.training.mode)
    judge = Judge(model, rows, examples, recipe.evaluation)
    found: list[Answered] = []
    adapters: list[Measured] = []
    slices: list[Measured] = []
    for name, adapter in recipe.training.adapters.items():
        documents = _documents(recipe, run, adapter.task or name, examples)
        own = [*judge.answers(name, documents, progress)]
        adapters.append(measured(name, own))
        slices += _by_language(name, own)
        found += own
    lines.write(out / ANSWERS, found)
    prompts = [each.asked for each in found]
    evaluated = Evaluated(
        adapters=adapters,
        slices=slices,
        reversible=fmean(book.decode(book.encode(prompt)) == prompt for prompt in prompts),
        associative=_associative(book, prompts),
        missed=[*_missed(recipe.evaluation, adapters)],
    )
    (out / EVALUATION).write_bytes(msgspec.json.format(msgspec.json.encode(evaluated), indent=1))
    (out / "report.html").write_text(page(recipe, run, evaluated, found), "utf-8")
    return _figures(evaluated)


def _by_language(name: str, own: Sequence[Answered]) -> Iterator[Measured]:
    for language in sorted({each.language for each in own}):
        yield measured(f"{name}, {language}", [each for each in own if each.language == language])


def loaded(run: Path, names: Sequence[str], book: Hypertokens) -> tuple[PeftModel, HyperRows]:
    """The base with the rows that were learned, and the adapters."""
    base: Any = AutoModelForCausalLM.from_pretrained(run / "hypertokens", local_files_only=True)
    rows = HyperRows(base, [entry.id for entry in book.entries])
    rows.load(run / "lora")
    model = PeftModel.from_pretrained(base, run / "lora" / names[0], adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(run / "lora" / name, adapter_name=name)
    return model.eval(), rows


def _documents(recipe: Recipe, run: Path, task: str, examples: Examples) -> Sequence[Document]:
    """Held-out dialogues of a task, with so many hypertokens in the prompt as the recipe says. Raises Wrong where there is none."""
    ids = examples.hypertokens
    fitting = (
        document
        for document in read(run)
        if document.task == task
        and document.held_out(recipe.seed, recipe.corpus.held_out)
        and (example := examples.of(document, 0)) is not None
        and sum(token in ids for token in example.student.prompt) >= recipe.evaluation.least_hypertokens
    )
    found = [*islice(fitting, recipe.evaluation.exchanges)]
    if not found:
        raise Wrong(
            f"evaluate: no held-out dialogue of the task {task!r} has {recipe.evaluation.least_hypertokens} hypertokens"
        )
    return found


def _associative(book: Hypertokens, prompts: Sequence[str]) -> float:
    """Whether it matters in what order prompts are joined and encoded (A2 of `scenes.measures`), over neighbours."""

    def merge(one: str, two: str) -> str:
        return book.decode(book.encode(f"{one}\n{two}"))

    triples = list(zip(prompts, prompts[1:], prompts[2:], strict=False))[:100]
    return fmean(associativity(merge, *triple) for triple in triples) if triples else 1.0


def _missed(settings: Evaluation, adapters: Sequence[Measured]) -> Iterator[str]:
    for each in adapters:
        if each.retention < settings.least_retention:
            yield f"{each.name}: retention {each.retention:.3f} is below {settings.least_retention}"
        if each.kl > settings.most_kl:
            yield f"{each.name}: KL {each.kl:.4f} is above {settings.most_kl}"
        if each.shorter < settings.least_shorter:
            yield f"{each.name}: prompts are {each.shorter:.2f} times shorter, and shall be {settings.least_shorter}"
        if settings.least_numbers is not None and each.student_numbers.value < settings.least_numbers:
            yield f"{each.name}: {each.student_numbers.value:.3f} of the answers have all numbers right, below {settings.least_numbers}"


def _figures(evaluated: Evaluated) -> Figures:
    figures: dict[str, Any] = {}
    for each in evaluated.adapters:
        figures |= {
            f"{each.name}_retention": each.retention,
            f"{each.name}_kl": each.kl,
            f"{each.name}_shorter": each.shorter,
            f"{each.name}_numbers": each.student_numbers.value,
            f"{each.name}_exact": each.student_exact.value,
        }
    return figures | {"reversible": evaluated.reversible, "gate": "; ".join(evaluated.missed) or "passed"}


class Judge:
    """Has both answer."""

    def __init__(self, model: PeftModel, rows: HyperRows, examples: Examples, settings: Evaluation) -> None:
        self._model = model
        self._reader = Reader(model)
        self._rows = rows
        self._examples = examples
        self._settings = settings

    def answers(self, name: str, documents: Sequence[Document], progress: Progress) -> Iterator[Answered]:
        """In the order of the documents."""
        self._model.set_adapter(name)
        starts = range(0, len(documents), _BATCH)
        for start in progress.over(f"answers of {name}", starts, len(starts)):
            part = documents[start : start + _BATCH]
            pairs = [
                (document, example)
                for document in part
                if (example := self._examples.of(document, 0)) is not None
            ]
            yield from self._batch(pairs)

    def _batch(self, pairs: Sequence[tuple[Document, Example]]) -> Iterator[Answered]:
        examples = [example for _, example in pairs]
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(self._model.disable_adapter())
            stack.enter_context(self._rows.without())
            teacher = self._told([example.teacher.prompt for example in examples])
            theirs = [self._logs(example.teacher) for example in examples]
        with torch.inference_mode():
            student = self._told([example.student.prompt for example in examples])
            ours = [self._logs(example.student) for example in examples]
        for at, (document, example) in enumerate(pairs):
            there, here = (list(each) for each in zip(*example.pairs, strict=True))
            yield Answered(
                id=document.id,
                task=document.task,
                language=document.language,
                asked=next(message.content for message in document.messages if message.role == "user"),
                wanted=example.wanted,
                teacher=teacher[at],
                student=student[at],
                teacher_tokens=len(example.teacher.prompt),
                student_tokens=len(example.student.prompt),
                kl=_divergence(theirs[at][there], ours[at][here]),
                teacher_loss=_loss(theirs[at], example.teacher.answer),
                student_loss=_loss(ours[at], example.student.answer),
            )

    def _told(self, prompts: Sequence[Sequence[int]]) -> Sequence[str]:
        """Greedy answers, in words."""
        longest = max(map(len, prompts))
        tokens = torch.tensor(
            [[0] * (longest - len(prompt)) + [*prompt] for prompt in prompts], device=self._model.device
        )
        mask = torch.tensor(
            [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts],
            device=self._model.device,
        )
        told = self._model.generate(
            input_ids=tokens,
            attention_mask=mask,
            max_new_tokens=self._settings.answer_tokens,
            do_sample=False,
        )
        return [self._examples.words(answer.tolist()) for answer in told[:, longest:]]

    def _logs(self, side: Side) -> Tensor:
        """Log-probabilities at each token of an answer (N, vocabulary)."""
        tokens, places, _ = asked([side], self._model.device)
        logs: Tensor = self._reader(tokens, places).log_softmax(-1)
        return logs


def _divergence(teacher: Tensor, student: Tensor) -> float:
    """Over the whole vocabulary; what the teacher cannot say counts nothing."""
    terms = torch.where(teacher > -torch.inf, teacher.exp() * (teacher - student), 0.0)
    return terms.sum(-1).mean().item()


def _loss(logs: Tensor, answer: Sequence[int]) -> float:
    return cross_entropy(logs, torch.tensor(answer, device=logs.device)).item()

"""A recipe as the steps of a run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.corpus.desk import DESK
from training.progress import Progress
from training.recipe import DeskSource, FileSource, Recipe
from training.steps import Figures, Run, Step

STEPS = ("corpus", "scenes", "base", "choice", "hypertokens", "lora", "evaluate", "publish")
Maker = Callable[[Path], Figures]


def run_of(recipe: Recipe, folder: Path, progress: Progress) -> Run:
    """The run of a recipe in a folder. What needs torch is imported when it is made."""
    making = _Making(recipe, folder, progress)
    return Run(folder, [*making.steps()])


class _Making:
    """How each step is made."""

    def __init__(self, recipe: Recipe, folder: Path, progress: Progress) -> None:
        self._recipe = recipe
        self._folder = folder
        self._progress = progress

    def steps(self) -> Sequence[Step]:
        recipe = self._recipe
        sheet = [recipe.scenes.sheet] if recipe.scenes.by == "hand" and recipe.scenes.sheet else []
        base = recipe.base
        return [
            Step("corpus", _corpus_plan(recipe), self._corpus, self._of(recipe.corpus), _files(recipe)),
            Step(
                "scenes",
                f"scenes by {recipe.scenes.by} ({recipe.scenes.engine})",
                self._scenes,
                self._of(recipe.scenes),
                sheet,
                ("corpus",),
            ),
            Step(
                "base", _base_plan(recipe), self._base, self._of(base), _checkpoint(base.folder), ("corpus",)
            ),
            Step(
                "choice",
                f"at most {recipe.choice.count} texts that save most",
                self._choice,
                self._of(recipe.choice),
                (),
                ("scenes", "base"),
            ),
            Step(
                "hypertokens",
                f"tokens of the book {recipe.tokens.id!r} in a copy of the base",
                self._tokens,
                self._of(recipe.tokens),
                (),
                ("choice", "base"),
            ),
            Step(
                "lora",
                _lora_plan(recipe),
                self._lora,
                self._of(recipe.training),
                (),
                ("corpus", "hypertokens"),
            ),
            Step(
                "evaluate",
                f"{recipe.evaluation.exchanges} held-out exchanges for each adapter",
                self._evaluation,
                self._of(recipe.evaluation),
                (),
                ("corpus", "base", "lora"),
            ),
            Step(
                "publish",
                "a base with rows, an adapter each" + (", GGUF" if recipe.publishing.gguf else ""),
                self._published,
                self._of(recipe.publishing),
                (),
                ("lora", "evaluate"),
            ),
        ]

    def _of(self, settings: Any) -> Mapping[str, Any]:
        """What a step's outcome depends on, beside its inputs. Where a file lies is nothing to it."""
        return {
            "seed": self._recipe.seed,
            "settings": settings.model_dump(mode="json", exclude={"folder", "sheet", "vectors"}),
        }

    def _corpus(self, out: Path) -> Figures:
        from training.corpus import making  # noqa: PLC0415

        return making.make(self._recipe.corpus, self._recipe.seed, out, self._progress)

    def _scenes(self, out: Path) -> Figures:
        from training import forming  # noqa: PLC0415

        return forming.make(self._recipe.scenes, self._folder, out, self._progress)

    def _base(self, out: Path) -> Figures:
        from training import bases  # noqa: PLC0415 - torch takes seconds

        return bases.make(self._recipe, self._folder, out, self._progress)

    def _choice(self, out: Path) -> Figures:
        from training import choosing  # noqa: PLC0415
        from training.vocabulary import counter  # noqa: PLC0415

        return choosing.make(self._recipe.choice, self._folder, out, counter(self._folder / "base"))

    def _tokens(self, out: Path) -> Figures:
        from training import rows  # noqa: PLC0415

        return rows.make(self._recipe.tokens, self._folder, out)

    def _lora(self, out: Path) -> Figures:
        from training import distilling  # noqa: PLC0415

        return distilling.make(self._recipe, self._folder, out, self._progress)

    def _evaluation(self, out: Path) -> Figures:
        from training import evaluating  # noqa: PLC0415

        return evaluating.make(self._recipe, self._folder, out, self._progress)

    def _published(self, out: Path) -> Figures:
        from training import publishing  # noqa: PLC0415

        return publishing.make(self._recipe, self._folder, out)


def _files(recipe: Recipe) -> Sequence[Path]:
    """What is read; the generator's own words change what it makes as well."""
    sources = recipe.corpus.sources
    own = [DESK] if any(isinstance(source, DeskSource) for source in sources) else []
    return [*own, *(path for source in sources if isinstance(source, FileSource) for path in source.paths())]


def _checkpoint(folder: Path | None) -> Sequence[Path]:
    if folder is None:
        return ()
    return sorted(
        path for path in folder.iterdir() if path.suffix in {".json", ".safetensors", ".jinja", ".model"}
    )


def _corpus_plan(recipe: Recipe) -> str:
    return ", ".join(
        f"{source.path} as {source.format}"
        if isinstance(source, FileSource)
        else f"{source.desk:,} made-up documents"
        for source in recipe.corpus.sources
    )


def _base_plan(recipe: Recipe) -> str:
    made = recipe.base.made
    return (
        f"taken from {recipe.base.folder}" if made is None else f"made from nothing in {made.steps:,} steps"
    )


def _lora_plan(recipe: Recipe) -> str:
    training = recipe.training
    return f"{len(training.adapters)} adapters ({', '.join(training.adapters)}), mode {training.mode}, {training.steps:,} steps"

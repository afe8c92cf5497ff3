"""The step `base`: a checkpoint that is there, or one made from nothing."""

import shutil
from pathlib import Path

from training.progress import Progress
from training.recipe import Recipe
from training.steps import Figures
from training.wrong import Wrong

_KEPT = (".json", ".safetensors", ".jinja", ".model", ".txt")


def make(recipe: Recipe, run: Path, out: Path, progress: Progress) -> Figures:
    """Fills the folder with a checkpoint of transformers."""
    if recipe.base.made is not None:
        from training import pretraining  # noqa: PLC0415 - torch takes seconds

        return pretraining.make(recipe, run, out, progress)
    folder = recipe.base.folder
    if folder is None or not (folder / "config.json").is_file():
        raise Wrong(f"base.folder: {folder} has no config.json: it is no checkpoint of transformers")
    copied = [path for path in sorted(folder.iterdir()) if path.suffix in _KEPT]
    for path in copied:
        shutil.copy2(path, out / path.name)
    return {"files": len(copied)}

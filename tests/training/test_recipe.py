"""Recipes, and the command line that takes them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import ROOT
from tests.training.recipes import SMALL, recipe_of
from training.recipe import FileSource, read
from training.wrong import Wrong


def forge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_paths_are_relative_to_the_recipe(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text("x")
    recipe = recipe_of(tmp_path, "{path: 'books/*.txt', format: book}")
    source = recipe.corpus.sources[0]
    assert isinstance(source, FileSource)
    assert source.paths() == [tmp_path / "books" / "a.txt"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x", "corpus: Field required"),
        (SMALL.format(source="{desk: 0}", more=""), "greater than or equal to 1"),
        (SMALL.format(source="{desk: 4}", more="tokens: {ide: x}"), "tokens.ide: Extra inputs"),
        (SMALL.format(source="{desk: 4}", more="scenes: {by: model}"), "needs `model: {url"),
        (SMALL.format(source="{desk: 4}", more="scenes: {by: hand}"), "python -m training sheet"),
        ("a: [", "is no YAML"),
        ("- a\n- b", "Input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(tmp_path, text, said):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(Wrong) as fault:
        read(tmp_path / "recipe.yaml")
    assert said in str(fault.value)


def test_a_base_is_a_folder_or_made_and_not_both(tmp_path):
    text = SMALL.format(source="{desk: 4}", more="").replace(
        "{made: {steps: 4}}", "{folder: x, made: {steps: 4}}"
    )
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(Wrong, match="either `folder` or `made`"):
        read(tmp_path / "recipe.yaml")


def test_a_source_without_files_is_told_at_once(tmp_path):
    recipe_of(tmp_path, "{path: nothing.txt}")
    done = forge("run", tmp_path / "recipe.yaml", "--run", tmp_path / "run", "--dry-run")
    assert done.returncode == 1
    assert "no file is" in done.stderr


def test_a_dry_run_says_what_each_step_would_do_and_makes_nothing(tmp_path):
    recipe_of(tmp_path)
    done = forge("run", tmp_path / "recipe.yaml", "--run", tmp_path / "run", "--dry-run")
    assert done.returncode == 0
    for said in (
        "corpus",
        "40 made-up documents",
        "made from nothing in 4 steps",
        "1 adapters (risk)",
        "to be made",
    ):
        assert said in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_steps_without_torch_are_made_and_passed_over(tmp_path):
    recipe_of(tmp_path)
    first = forge("run", tmp_path / "recipe.yaml", "--run", tmp_path / "run", "--to", "scenes", "--quiet")
    assert first.returncode == 0, first.stderr
    assert "corpus: done in" in first.stderr
    again = forge("scenes", tmp_path / "recipe.yaml", "--run", tmp_path / "run")
    assert again.stderr == "scenes: done before\n"
    sheet = forge("sheet", tmp_path / "recipe.yaml", "--run", tmp_path / "run", "--out", tmp_path / "s.csv")
    assert "sentences; fill it in" in sheet.stdout
    assert "there already" in forge("sheet", tmp_path / "recipe.yaml", "--out", tmp_path / "s.csv").stderr


def test_what_is_missing_is_named(tmp_path):
    recipe_of(tmp_path)
    alone = forge("choice", tmp_path / "recipe.yaml", "--run", tmp_path / "run")
    assert "choice needs scenes and base" in alone.stderr
    forge("run", tmp_path / "recipe.yaml", "--run", tmp_path / "run", "--to", "scenes", "--quiet")
    torchless = forge("base", tmp_path / "recipe.yaml", "--run", tmp_path / "run")
    assert torchless.returncode == 1
    assert "pip install 'hyperbridge[train]'" in torchless.stderr


@pytest.mark.parametrize("name", ["document", "scene", "recipe"])
def test_schemas_are_printed(name):
    assert "properties" in json.loads(forge("schema", name).stdout) or "$defs" in json.loads(
        forge("schema", name).stdout
    )


def test_hyperbridge_train_is_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "app", "train", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "usage: hyperbridge train" in done.stdout

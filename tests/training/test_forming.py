"""Documents become scenes, by rules and by hand."""

import csv
import json
from pathlib import Path

import pytest

from scenes.former import text_of
from scenes.scene import read
from tests.support.static_vectors import VECTORS
from tests.training.recipes import recipe_of
from training import forming
from training.corpus import making
from training.corpus.document import Document, Message
from training.corpus.turns import turns
from training.forming import ASIDE, by_rules, scenes_of, texts_of
from training.progress import Progress
from training.recipe import Recipe
from training.sheet import COLUMNS, rows, write
from training.wrong import Wrong

QUIET = Progress(shown=False)
FEAR = "I fear the loss, and I am worried. Why does nobody sell?"
REASON = "It follows because the reason is clear, therefore we hold."


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose corpus is made."""
    source = tmp_path / "a.jsonl"
    texts = [FEAR, REASON, "Plain words without marks.", "=SUM(A1) is what the cell said. -5 was the answer."]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    recipe = recipe_of(tmp_path, "{path: a.jsonl}")
    (tmp_path / "run" / "corpus").mkdir(parents=True)
    making.make(recipe.corpus, 1, tmp_path / "run" / "corpus", QUIET)
    return tmp_path / "run"


def formed(run: Path, recipe: Recipe) -> Path:
    out = run / "scenes"
    out.mkdir(exist_ok=True)
    forming.make(recipe.scenes, run, out, QUIET)
    return out


def test_scenes_are_split_by_register_and_give_their_texts_back(run, tmp_path):
    out = formed(run, recipe_of(tmp_path))
    texts = texts_of(out)
    said = {
        name: [text_of(read(line), texts) for line in (out / f"{name}.jsonl").read_bytes().splitlines()]
        for name in forming.FILES
    }
    assert said["emotion"] == [FEAR]
    assert said["logic"] == [REASON]
    assert len(said["plain"]) == 2
    assert not (out / ASIDE).exists()


def test_a_system_text_is_no_scene():
    document = Document(
        id="1", kind="dialogue", language="en", licence="x", source="y",
        messages=[Message("system", "Obey."), Message("user", "Where?"), Message("assistant", "Here.")],
    )  # fmt: skip
    assert [turn.text for turn in turns(document)] == ["Where?", "Here."]
    assert all("Obey" not in scene.gist for scene in by_rules(document))


def test_scenes_have_vectors_where_there_is_a_table(run, tmp_path):
    out = formed(run, recipe_of(tmp_path, more=f"scenes: {{vectors: {VECTORS}}}"))
    scenes = [*scenes_of(out)]
    assert any(scene.vector for scene in scenes)
    with pytest.raises(Wrong, match="make vectors"):
        formed(run, recipe_of(tmp_path, more="scenes: {vectors: nowhere}"))


def sheet(run: Path, path: Path) -> list[dict[str, str]]:
    write(path, (row for each in making.read(run) for row in rows(each, by_rules(each))))
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.DictReader(file)]


def save(path: Path, filled: list[dict[str, str]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
        table.writeheader()
        table.writerows(filled)


BY_HAND = "scenes: {by: hand, sheet: hand.csv}"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_sheet_that_nobody_changed_makes_the_scenes_that_it_proposed(run, tmp_path, delimiter):
    proposed = told(formed(run, recipe_of(tmp_path)))
    save(tmp_path / "hand.csv", sheet(run, tmp_path / "given.csv"), delimiter)
    out = formed(run, recipe_of(tmp_path, more=BY_HAND))
    assert told(out) == proposed
    assert {scene.parser for scene in scenes_of(out)} == {"hand@1"}


def told(out: Path) -> list[tuple[object, ...]]:
    """What the scenes say, by their texts."""
    texts = texts_of(out)
    said = (
        (text_of(each, texts), each.gist, each.tension, each.archetype, sorted(each.registers))
        for each in scenes_of(out)
    )
    return sorted(said, key=str)


def test_what_people_write_is_what_the_scene_says(run, tmp_path):
    filled = sheet(run, tmp_path / "given.csv")
    row = next(row for row in filled if row["text"].startswith("I fear"))
    row |= {
        "agent": "Anna",
        "archetype": "threshold",
        "registers": "archetype+emotion",
        "hyperlexeme": "lossfear",
    }
    save(tmp_path / "hand.csv", filled)
    scene = next(s for s in scenes_of(formed(run, recipe_of(tmp_path, more=BY_HAND))) if s.agent == "Anna")
    assert (scene.archetype, scene.hyperlexeme, dict(scene.registers)) == (
        "threshold", "lossfear", {"archetype": 0.5, "emotion": 0.5}
    )  # fmt: skip


def test_a_cell_never_begins_like_a_formula_and_comes_back_as_it_was(run, tmp_path):
    filled = sheet(run, tmp_path / "given.csv")
    assert not any(value.startswith(("=", "+", "-", "@")) for row in filled for value in row.values())
    save(tmp_path / "hand.csv", filled)
    out = formed(run, recipe_of(tmp_path, more=BY_HAND))
    assert any("=SUM(A1)" in text for text in texts_of(out).values())
    assert not (out / ASIDE).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": "Something else."}, "not those that were given"),
        ({"sentence": "99"}, "not those that were given"),
        ({"registers": "anger"}, "'anger' is none of logic"),
        ({"archetype": "king"}, "'king' is none of"),
        ({"document": "unknown"}, "no document of the corpus"),
    ],
)
def test_a_wrong_row_is_set_aside_with_its_line_and_the_others_count(run, tmp_path, change, said):
    filled = sheet(run, tmp_path / "given.csv")
    filled[0] |= change
    save(tmp_path / "hand.csv", filled)
    out = formed(run, recipe_of(tmp_path, more=BY_HAND))
    aside = json.loads((out / ASIDE).read_text().splitlines()[0])
    assert said in aside["reason"]
    assert (aside["file"], aside["line"]) == ("hand.csv", 2)
    assert [*scenes_of(out)]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\xff\xfe"])
def test_a_file_that_is_no_such_sheet_is_told(run, tmp_path, text):
    (tmp_path / "hand.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(Wrong, match=r"hand\.csv"):
        formed(run, recipe_of(tmp_path, more=BY_HAND))


def test_a_line_that_is_no_scene_is_told_with_its_number(run, tmp_path):
    out = formed(run, recipe_of(tmp_path))
    with (out / "logic.jsonl").open("ab") as file:
        file.write(b'{"schema": "hb.scene/1", "id": "x"\n')
    with pytest.raises(Wrong, match=r"logic\.jsonl, line 2"):
        [*scenes_of(out)]

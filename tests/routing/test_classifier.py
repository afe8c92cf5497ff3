"""The bounds are those that the issue names; docs/routing.md says what was measured."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.routing import classifier, model_file, training
from app.routing.classifier import NONE, Classifier, load, shipped
from app.routing.evaluation import Evaluated, evaluate
from app.routing.examples import SHIPPED, Example, read
from app.routing.measures import accuracy, calibration_error, macro_f1
from app.routing.ngrams import grams
from tests.support.process import ROOT, printed

HELD_OUT = Path(__file__).with_name("held_out.yaml")
ANY_TEXT = st.text(st.characters(exclude_categories=()))
COLOURS = [
    Example(text, label)
    for label, texts in {
        "warm": ["a red coat", "red wine", "orange red", "an orange", "amber and red", "orange light"],
        "cold": ["a blue coat", "blue ice", "azure blue", "the azure", "blue and teal", "teal light"],
    }.items()
    for text in texts
]


def silent(line: str) -> None:
    """Say nothing of the training."""


def trained(examples: Sequence[Example], folder: Path) -> Classifier:
    """By the command: it has its own process, and its own settings of BLAS."""
    lines = (json.dumps({"text": each.text, "label": each.label}) + "\n" for each in examples)
    (folder / "examples.jsonl").write_text("".join(lines))
    command = ["router", "train", str(folder / "examples.jsonl"), "--out", str(folder / "made.npz")]
    subprocess.run(
        [sys.executable, "-m", "app", *command], cwd=ROOT, capture_output=True, check=True, timeout=600
    )
    return load(folder / "made.npz")


@pytest.fixture(scope="module")
def held_out() -> Evaluated:
    return evaluate(shipped(), read([HELD_OUT]))


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """One in ten of the shipped examples, judged by what was trained on the others."""
    examples = read([SHIPPED])
    kept = [each for each in examples if crc32(each.text.encode()) % 10]
    others = [each for each in examples if not crc32(each.text.encode()) % 10]
    return evaluate(trained(kept, tmp_path_factory.mktemp("split")), others)


def test_what_was_never_trained_on_is_told_apart(held_out: Evaluated):
    assert macro_f1(held_out.truth, held_out.likely) >= 0.93


def test_probabilities_of_what_was_never_trained_on_mean_what_they_say(held_out: Evaluated):
    assert calibration_error(held_out.truth, held_out.likely) <= 0.05


def test_a_split_of_the_shipped_examples_is_told_apart(split: Evaluated):
    assert macro_f1(split.truth, split.likely) >= 0.95
    assert calibration_error(split.truth, split.likely) <= 0.05


def test_what_is_told_is_right_in_nearly_all_cases(held_out: Evaluated):
    right = held_out.likely.argmax(axis=1) == held_out.truth

    assert right[held_out.told].mean() >= 0.95
    assert held_out.told.mean() >= 0.8


def test_the_shipped_file_is_what_training_makes_of_the_shipped_examples(tmp_path: Path):
    examples = read([SHIPPED])
    made = trained(examples, tmp_path)
    again = evaluate(made, examples)
    known = evaluate(shipped(), examples)

    assert shipped().model.examples_sha256 == made.model.examples_sha256
    assert shipped().threshold == pytest.approx(made.threshold, abs=0.05)
    assert (again.likely.argmax(axis=1) == known.likely.argmax(axis=1)).mean() > 0.999
    assert np.abs(again.likely - known.likely).max() < 0.05
    assert accuracy(known.truth, known.likely) > 0.97


def test_no_example_stands_in_what_is_held_out():
    examples = {(each.text.casefold(), each.label) for each in read([SHIPPED])}

    assert not examples & {(each.text.casefold(), each.label) for each in read([HELD_OUT])}


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_gets_probabilities_that_sum_to_one(text: str):
    found = shipped().classify(text)

    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert set(found.probabilities) == set(shipped().labels)
    assert found == shipped().classify(text)


@settings(deadline=None)
@given(ANY_TEXT)
def test_a_label_is_told_only_where_it_is_likely_enough_and_not_none(text: str):
    found = shipped().classify(text)
    best = max(found.probabilities, key=lambda label: found.probabilities[label])

    if found.label is None:
        assert best == NONE or found.probabilities[best] < shipped().threshold
    else:
        assert found.label == best != NONE
        assert found.probabilities[best] >= shipped().threshold


@pytest.mark.parametrize("text", ["", "   ", "hello", "привет", "xkcd zzz qqq", "\0", "\ud800", "спасибо!"])
def test_what_asks_for_nothing_gets_no_label(text: str):
    assert shipped().classify(text).label is None


def test_ten_megabytes_are_classified_as_quickly_as_two_thousand_characters():
    long = "Write a Python function that parses logs. " * 250_000

    assert shipped().classify(long).label == "code"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Compute the Sharpe ratio and the max drawdown of my portfolio", "metrics"),
        ("Посчитай просадку и VaR портфеля", "metrics"),
        ("Придумай новую стратегию для бота", "ideas"),
        ("What is the capital of Italy?", "quick"),
        ("Напиши функцию на Python", "code"),
        ("Докажи, что корень из 5 иррационален", "maths"),
        ("Describe what you see in the photo", "vision"),
    ],
)
def test_plain_cases_are_told(text: str, label: str):
    assert shipped().classify(text).label == label


def test_it_says_what_spoke_most_for_a_label():
    why = shipped().why("Please compute the Sharpe ratio of my portfolio", "metrics")

    assert why
    assert len(why) <= 5
    assert any("sharpe" in each for each in why)


@settings(deadline=None)
@given(ANY_TEXT, st.sampled_from(shipped().labels))
def test_what_it_says_stands_in_the_text(text: str, label: str):
    read_text = grams(text).text

    assert all(each in read_text for each in shipped().why(text, label))


def test_every_process_finds_the_same():
    text = "Сравни the drawdown двух стратегий"
    program = f"from app.routing.classifier import shipped; print(shipped().classify({text!r}).probabilities)"

    assert printed(program) == {f"{shipped().classify(text).probabilities}\n"}


def test_two_labels_and_a_dozen_examples_are_enough(tmp_path: Path):
    model, report = training.train(COLOURS, silent)
    model_file.write(model, tmp_path / "colours.npz")
    found = load(tmp_path / "colours.npz")

    assert found.labels == ("cold", "warm")
    assert 0 <= report.calibration_error <= 1
    assert found.classify("a blue and azure sea").label == "cold"
    assert found.classify("red orange").label == "warm"


def test_what_is_written_is_read_again(tmp_path: Path):
    model_file.write(shipped().model, tmp_path / "copy.npz")

    assert (tmp_path / "copy.npz").read_bytes() == classifier.SHIPPED.read_bytes()
    text = "How do I set lora_alpha?"
    assert load(tmp_path / "copy.npz").classify(text) == shipped().classify(text)


@pytest.mark.parametrize("size", [0, 10, 5000, -1])
def test_a_part_of_a_file_is_refused(tmp_path: Path, size: int):
    file = tmp_path / "part.npz"
    file.write_bytes(classifier.SHIPPED.read_bytes()[:size])

    with pytest.raises(ValueError, match=r"part\.npz is no classifier of `hyperbridge router train`"):
        load(file)


def test_a_foreign_file_is_refused(tmp_path: Path):
    file = tmp_path / "other.npz"
    np.savez(file, weights=np.zeros(3))
    with pytest.raises(ValueError, match="is no classifier"):
        load(file)

    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="is no classifier"):
        load(file)

    np.savez(file, header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="is no classifier"):
        load(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"gone\.npz cannot be read: No such file"):
        load(tmp_path / "gone.npz")


def test_a_router_without_a_classifier_needs_no_numpy():
    program = "import sys, app.main; print('numpy' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "False\n"

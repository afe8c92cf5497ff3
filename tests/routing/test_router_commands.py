import csv
import json
import subprocess
from pathlib import Path

import pytest

from app.routing.encoder import load
from app.routing.examples import Example, read
from tests.support.process import run

TEXTS = {
    "weather": [
        "will it rain",
        "is it sunny",
        "how cold is it",
        "will it snow",
        "any wind today",
        "rain tomorrow",
    ],
    "music": [
        "play a song",
        "play some jazz",
        "louder please",
        "stop the song",
        "next song",
        "play the album",
    ],
}
YAML = "examples:\n" + "".join(
    f"  {label}:\n" + "".join(f"    - {text}\n" for text in texts) for label, texts in TEXTS.items()
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "all.yaml").write_text(YAML)
    return tmp_path


def train(folder: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    return run("router", "train", *map(str, paths), "--out", str(folder / "made.npz"))


def test_training_says_what_may_be_expected_of_it(folder: Path):
    ran = train(folder, folder / "own")

    assert ran.returncode == 0, ran.stderr
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [
        "accuracy",
        "macro-F1",
        "ECE",
        "threshold",
        "trained",
        "written",
    ]
    assert "part 5 of 5" in ran.stderr
    assert (folder / "made.npz").stat().st_size < 100_000


def test_what_was_trained_is_measured_on_texts_of_each_form(folder: Path):
    train(folder, folder / "own")
    rows = [(text, label) for label, texts in TEXTS.items() for text in texts]
    with (folder / "known.jsonl").open("w") as stream:
        stream.writelines(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    with (folder / "known.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])

    reports = [
        run("router", "eval", str(folder / name), "--model", str(folder / "made.npz"))
        for name in ("known.jsonl", "known.csv", "own/all.yaml")
    ]

    assert {ran.returncode for ran in reports} == {0}
    for ran in reports:
        assert "texts        12\n" in ran.stdout
        assert "accuracy     100.0%" in ran.stdout
        assert "taken for" in ran.stdout
        assert " us\n" in ran.stdout


def test_the_shipped_classifier_is_measured_where_none_is_named(folder: Path):
    (folder / "own.yaml").write_text("mode: maths\nexamples: [Solve x^2 = 9, Find the integral of sin x]\n")

    ran = run("router", "eval", str(folder / "own.yaml"))

    assert ran.returncode == 0, ran.stderr
    assert "texts        2\n" in ran.stdout


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "examples:\n  x: [a\n", "a.yaml:3"),
        ("a.yaml", "- just a list\n", "a.yaml:1:1: must be `mode` and `examples`"),
        (
            "a.yaml",
            "mode: x\nexamples:\n  en:\n    - fine\n    - note: a mapping\n",
            "a.yaml:5:1: an example must be a text",
        ),
        ("a.yaml", "mode: x\nexamples:\n  - ''\n", "a.yaml:3:1: an example must not be empty"),
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n{"text": "a"}\n',
            "a.jsonl:2:1: must have a `text` and a `label`",
        ),
        ("a.jsonl", "\n{oops\n", "a.jsonl:2:1: not valid JSON"),
        ("a.csv", "text,label\nhello,\n", "a.csv:2:1: must have a `text` and a `label`"),
        ("a.csv", "sentence,label\nhello,x\n", "a.csv:2:1: must have a `text` and a `label`"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(folder: Path, name: str, text: str, said: str):
    (folder / name).write_text(text)

    ran = train(folder, folder / name)

    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_one_label_cannot_be_told_apart(folder: Path):
    (folder / "one.yaml").write_text("mode: x\nexamples: [a, b, c]\n")

    ran = train(folder, folder / "one.yaml")

    assert ran.returncode == 2
    assert "at least 2 labels" in ran.stderr


def test_few_examples_and_a_text_of_two_labels_are_doubted(folder: Path):
    (folder / "few.yaml").write_text("mode: rare\nexamples: [Play a song, something rare]\n")

    ran = train(folder, folder / "own", folder / "few.yaml")

    assert ran.returncode == 0, ran.stderr
    assert "warning: 'rare' has 2 example(s)" in ran.stderr
    assert "warning: 'Play a song' is an example of 'music' and of 'rare'" in ran.stderr


def test_what_cannot_be_read_or_written_is_named(folder: Path):
    gone = train(folder, folder / "gone")
    empty = train(folder, folder)
    unwritable = run("router", "train", str(folder / "own"), "--out", str(folder / "no" / "made.npz"))
    foreign = run("router", "eval", str(folder / "own"), "--model", str(folder / "own" / "all.yaml"))
    unknown = run("router", "eval", str(folder / "own"))

    assert [each.returncode for each in (gone, empty, unwritable, foreign, unknown)] == [2] * 5
    assert "cannot be read: No such file" in gone.stderr
    assert "holds no file that ends in .yaml" in empty.stderr
    assert "cannot write" in unwritable.stderr
    assert "is no classifier" in foreign.stderr
    assert "does not know music, weather; it knows code, deep" in unknown.stderr


def test_an_example_is_read_as_it_is_written_whatever_yaml_would_make_of_it(folder: Path):
    (folder / "a.yaml").write_text("mode: x\nexamples: {en: [yes, 12345, 'a: b'], ru: [да]}\n")

    assert read([folder / "a.yaml"]) == [Example(each, "x") for each in ("yes", "12345", "a: b", "да")]


def test_the_same_example_twice_counts_once(folder: Path):
    (folder / "a.jsonl").write_text('{"text": "Hi  you", "label": "x"}\n{"text": "hi you", "label": "x"}\n')

    assert read([folder / "a.jsonl"]) == [Example("Hi  you", "x")]


@pytest.fixture
def encoded(folder: Path) -> Path:
    """A folder whose configuration has an encoder, which the file beside it was trained with."""
    (folder / "hyperbridge.yaml").write_text(
        "upstreams: {demo: {kind: demo}, texts: {kind: openai, url: 'http://127.0.0.1:9/v1', speaks: [chat]}}\n"
        "models: {demo: demo/demo}\n"
        "router: {encoder: {model: demo, file: made.npz}}\n"
    )
    return folder


def train_encoder(folder: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    places = ("--config", str(folder / "hyperbridge.yaml"), "--out", str(folder / "made.npz"))
    return run("router", "train", str(folder / "own"), "--encoder", name, *places, *more)


def evaluate_encoder(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    config = ("--config", str(folder / "hyperbridge.yaml"))
    return run("router", "eval", str(folder / "own"), "--encoder", *config, *more)


def test_an_encoder_s_vectors_are_asked_for_and_learned_from(encoded: Path):
    ran = train_encoder(encoded, "demo/demo")

    assert ran.returncode == 0, ran.stderr
    assert "12 of 12 vectors" in ran.stderr
    assert "part 5 of 5" in ran.stderr
    assert "64 dimensions of demo" in ran.stdout
    found = load(encoded / "made.npz")
    assert (found.model, found.dimensions, found.labels) == ("demo", 64, ("music", "weather"))


def test_what_an_encoder_knows_stands_beside_what_the_n_grams_know(encoded: Path):
    train_encoder(encoded, "demo")
    run("router", "train", str(encoded / "own"), "--out", str(encoded / "router.npz"))
    ran = evaluate_encoder(encoded, "--model", str(encoded / "router.npz"))

    assert ran.returncode == 0, ran.stderr
    head, *lines = ran.stdout.splitlines()
    assert head.split() == ["n-grams", "encoder", "both"]
    assert [line[:9].strip() for line in lines] == ["accuracy", "macro-F1", "ECE", "coverage", "when told"]
    assert lines[0].split() == ["accuracy", "100.0%", "100.0%", "100.0%"]


def test_as_many_dimensions_as_are_wanted_are_asked_for(encoded: Path):
    ran = train_encoder(encoded, "demo/demo", "--dimensions", "16")

    assert "16 dimensions of demo" in ran.stdout
    assert load(encoded / "made.npz").dimensions == 16


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dmo", "'dmo' is neither a name of `models` nor upstream/model"),
        ("nowhere/demo", "'nowhere/demo' is neither a name of `models` nor upstream/model"),
        ("demo/none", "the encoder 'demo/none' made no vectors: The demo upstream has no such model"),
        ("texts/demo", "the encoder 'texts/demo' can make no vectors: 'texts' does not offer /v1/embeddings"),
    ],
)
def test_an_encoder_that_makes_no_vectors_is_refused_with_the_reason(encoded: Path, name: str, reason: str):
    ran = train_encoder(encoded, name)

    assert ran.returncode == 2
    assert reason in ran.stderr
    assert not (encoded / "made.npz").exists()


def test_dimensions_without_an_encoder_are_refused(folder: Path):
    ran = run("router", "train", str(folder / "own"), "--dimensions", "8", "--out", str(folder / "made.npz"))

    assert (ran.returncode, ran.stderr.strip()) == (
        2,
        "--dimensions are those of an encoder's vectors: name one by --encoder",
    )
    assert not (folder / "made.npz").exists()


def test_an_encoder_is_measured_only_with_a_file_of_its_own(encoded: Path):
    run("router", "train", str(encoded / "own"), "--out", str(encoded / "router.npz"))
    absent = evaluate_encoder(encoded, "--model", str(encoded / "router.npz"))
    train_encoder(encoded, "demo/demo-slow", "--dimensions", "16")
    other = evaluate_encoder(encoded, "--model", str(encoded / "router.npz"))

    assert (absent.returncode, other.returncode) == (2, 2)
    assert "made.npz cannot be read" in absent.stderr
    assert (
        "was trained with vectors of 16 dimensions of 'demo-slow', and 'demo' makes some of 64"
        in other.stderr
    )

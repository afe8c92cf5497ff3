"""The commands of codebooks: from texts to a book that a configuration takes."""

from pathlib import Path

import pytest

from app.config.codebooks import read, reviewed
from tests.scenes.phrases import PHRASES, repeated
from tests.support.process import run


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    (folder / "more").mkdir(parents=True)
    for seed in range(4):
        (folder / ("more" if seed % 2 else "") / f"{seed}.log").write_text(repeated(seed))
    return folder


@pytest.fixture
def drafts(tmp_path: Path, texts: Path) -> Path:
    file = tmp_path / "drafts.json"
    built = run("scenes", "codebook", "build", str(texts), "--id", "air", "--out", str(file))
    assert built.returncode == 0, built.stderr
    return file


def test_phrases_that_texts_share_become_drafts_which_no_configuration_takes(drafts):
    book = read(drafts)

    assert set(PHRASES) <= {entry.phrase for entry in book.entries}
    assert {entry.status for entry in book.entries} == {"draft"}
    with pytest.raises(ValueError, match="must be active or retired, not draft"):
        reviewed(drafts)


def test_the_entries_are_shown_with_what_they_save_for_each_tokenizer(drafts):
    shown = run("scenes", "codebook", "show", str(drafts)).stdout.splitlines()

    assert shown[0].startswith("air@1  reviewed  epoch ")
    assert shown[1].split() == ["code", "status", "uses", "rough-digits", "rough-triples", "phrase"]
    (line,) = (line for line in shown if line.endswith(PHRASES[0]))
    code, status, uses, *gains = line.removesuffix(PHRASES[0]).split()
    assert (code[0], status) == ("§", "draft")
    assert all(0 < int(gain) < 20 * int(uses) for gain in gains)


def test_a_review_accepts_some_and_retires_the_others(drafts, tmp_path):
    out = tmp_path / "shop.json"
    first = read(drafts)
    accepted = next(entry.code for entry in first.entries if entry.phrase == PHRASES[0])
    ran = run("scenes", "codebook", "review", str(drafts), "--accept", accepted[1:], "--out", str(out))
    assert ran.returncode == 0, ran.stderr

    book = reviewed(out)
    assert (book.version, book.parent) == (2, first.digest)
    assert [entry.code for entry in book.entries if entry.status == "active"] == [accepted]
    assert {entry.code: entry.phrase for entry in book.entries} == {
        entry.code: entry.phrase for entry in first.entries
    }


def test_all_may_be_accepted_and_some_retired_later(drafts, tmp_path):
    second, third = tmp_path / "2.json", tmp_path / "3.json"
    run("scenes", "codebook", "review", str(drafts), "--all", "--out", str(second))
    assert {entry.status for entry in reviewed(second).entries} == {"active"}

    code = reviewed(second).entries[0].code
    ran = run("scenes", "codebook", "review", str(second), "--all", "--retire", code, "--out", str(third))
    assert ran.returncode == 0, ran.stderr
    assert reviewed(third).version == 3
    difference = run("scenes", "codebook", "diff", str(second), str(third)).stdout.splitlines()
    assert len(difference) == 2
    assert difference[1].startswith(f"  {code}=")
    assert difference[1].endswith("(active -> retired)")


def test_a_later_version_has_more_phrases_under_codes_that_nobody_had(drafts, tmp_path):
    book, more, later = tmp_path / "2.json", tmp_path / "more", tmp_path / "3.json"
    run("scenes", "codebook", "review", str(drafts), "--all", "--out", str(book))
    more.mkdir()
    for seed in range(3):
        (more / f"{seed}.log").write_text(
            repeated(seed).replace(PHRASES[0], "the lorry has left the yard without its load")
        )
    ran = run("scenes", "codebook", "build", str(more), "--base", str(book), "--out", str(later))
    assert ran.returncode == 0, ran.stderr

    before, after = read(book), read(later)
    assert after.parent == before.digest
    assert after.entries[: len(before.entries)] == before.entries
    added = after.entries[len(before.entries) :]
    assert "the lorry has left the yard without its load" in {entry.phrase for entry in added}
    assert {entry.status for entry in added} == {"draft"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nowhere.json"), "nowhere.json: cannot be read: No such file"),
        (("review", "{drafts}", "--accept", "nobody", "--out", "x"), "the book has no §nobody"),
        (("build", "{drafts}", "--base", "{drafts}", "--out", "x"), "no phrase"),
        (("build", "nowhere", "--id", "air", "--out", "x"), "nowhere: cannot be read"),
        (("build", "{texts}", "--id", "Not An Id", "--out", "x"), "id: at most 64"),
        (("show", "{drafts}", "--tokenizers", "{texts}/more"), "no vocabulary"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(drafts, texts, arguments, said):
    ran = run("scenes", "codebook", *(each.format(drafts=drafts, texts=texts) for each in arguments))

    assert ran.returncode == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1

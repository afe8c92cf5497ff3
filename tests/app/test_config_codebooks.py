"""What the configuration says of codebooks, and what of it cannot be."""

from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.config import files
from app.config.codebooks import CODEBOOKS
from scenes.codebook.book import Codebook, Entry
from tests.scenes.phrases import PHRASES

ENTRY = Entry("§ab", PHRASES[0], 9, "active")
BOOK = Codebook("shop", 1, None, (ENTRY, Entry("§ac", PHRASES[1], 2, "retired")))
HEAD = "upstreams: {demo: {kind: demo}}\nscenes: {codebooks: {shop-logs: books/shop.json}}\nmodels:\n"


def load(folder: Path, text: str) -> config.Config:
    file = folder / "hyperbridge.yaml"
    file.write_text(HEAD + text)
    return config.load(file, {})


@pytest.fixture
def book(tmp_path) -> Path:
    file = tmp_path / "books" / "shop.json"
    file.parent.mkdir()
    file.write_bytes(BOOK.to_json())
    return file


def test_a_model_names_its_book_and_its_file_is_watched(tmp_path, book):
    settings = load(tmp_path, "  x: {upstream: demo, model: demo, codebook: shop-logs}\n  y: demo/demo")

    assert settings.models["x"].codebook == "shop-logs"
    assert settings.models["y"].codebook is None
    assert settings.scenes.codebooks == {"shop-logs": book}
    assert book in files.named(settings, tmp_path / "hyperbridge.yaml")


@pytest.mark.usefixtures("book")
def test_a_book_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(config.ConfigError) as refused:
        load(tmp_path, "  x: {upstream: demo, model: demo, codebook: shop-lgs}")

    (fault,) = refused.value.faults
    assert fault.path == "models.x.codebook"
    assert "did you mean 'shop-logs'" in fault.message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"{", "not a codebook in JSON"),
        (b" " * 1_000_001, "larger than 1000000 bytes"),
        (BOOK.to_json().replace(b"shop", b"shed", 1), "digest: of another book"),
        (replace(BOOK, kind="adaptive").to_json(), "kind: must be 'reviewed', not 'adaptive'"),
        (BOOK.with_status("draft").to_json(), "entries[0].status: must be active or retired, not draft"),
        (BOOK.with_status("reviewed").to_json(), "entries[0].status: must be active or retired, not reviewed"),
        (BOOK.to_json().replace(PHRASES[0].encode(), b"call me at mary@example.com or else"), "entries[0].phrase: has no address"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_reviewed_book_is_refused_with_the_reason_and_no_phrase(
    tmp_path, book, data, said
):
    book.unlink()
    if data is not None:
        book.write_bytes(data)
    with pytest.raises(config.ConfigError) as refused:
        load(tmp_path, "  x: demo/demo")

    (fault,) = refused.value.faults
    assert fault.path == "scenes.codebooks.shop-logs"
    assert fault.line == 2
    assert said in fault.message
    assert "mary" not in fault.message
    assert PHRASES[0] not in fault.message


def test_a_file_that_changes_between_the_check_and_the_start_is_named(book):
    book.write_bytes(b"{}")
    with pytest.raises(ValueError, match=r"scenes\.codebooks\.shop-logs: not a codebook"):
        CODEBOOKS.all({"shop-logs": book})

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.codebook.book import Codebook, Entry
from scenes.codebook.shared import Shared
from scenes.contracts import MARKER
from scenes.forms import decoded
from tests.scenes.bounds import LINEAR_SECONDS
from tests.scenes.codebook.made import ANY_TEXT, LOOKALIKES, REPETITIVE

ENTRIES = (
    Entry("§password", "Failed password for invalid user", 9, "active"),
    Entry("§aa", "at com.example.Shop.reserve(Shop.java)", 5, "active"),
    Entry("§ac", "он стоял у двери, не решаясь войти", 5, "retired"),
)
BOOK = Codebook("shop-logs", 1, None, ENTRIES)
FORM = Shared(BOOK)
TEXTS = st.one_of(
    REPETITIVE,
    ANY_TEXT,
    st.lists(
        st.sampled_from([*(entry.phrase for entry in ENTRIES), *LOOKALIKES, "§aa", "", "\r", "\n"]), max_size=20
    ).map("\n".join),
)  # fmt: skip


@settings(max_examples=3000, deadline=None)
@given(TEXTS)
def test_what_is_said_with_a_book_comes_back_under_its_marker_alone(text: str):
    folded = FORM.fold(text)
    if folded is None:
        return
    assert FORM.unfold(folded) == text
    assert len(folded) < len(text)
    assert [found[0] for found in MARKER.finditer(folded)] == [folded.partition("\n")[0]]
    around = "see §aa and §password"  # not of a block: nobody has put them there
    assert decoded(f"{around}\n{folded}\n{around}", BOOK) == f"{around}\n{text}\n{around}"


def test_a_text_with_a_marker_of_its_own_or_with_a_code_of_the_book_is_left_alone():
    text = f"{ENTRIES[0].phrase}\n" * 9

    assert FORM.fold(text) is not None
    assert FORM.fold(f"{text}§aa") is None
    assert FORM.fold(f"[table lines=1]\n{text}") is None


def test_a_later_version_reads_what_an_earlier_one_said_and_no_other_book_does():
    folded = FORM.fold(f"{ENTRIES[0].phrase}\n" * 9)
    later = BOOK.extended([replace_status(ENTRIES[0], "retired")])

    assert folded is not None
    assert decoded(folded, later) == f"{ENTRIES[0].phrase}\n" * 9
    for book in (replace(BOOK, id="other"), None):
        with pytest.raises(ValueError, match="or takes the codebook that it names"):
            decoded(folded, book)
    newer = Shared(later.extended([Entry("§ad", "a phrase of six words or more", 1, "active")])).fold(
        "a phrase of six words or more\n" * 9
    )
    assert newer is not None
    with pytest.raises(ValueError, match="@3, which shop-logs@2 cannot read"):
        Shared(later).unfold(newer)


@pytest.mark.parametrize(
    "text",
    ["", "[book lines=1 shop-logs@1]", "[book lines=2 shop-logs@1]\n§aa", "[book lines=1 shop-logs@x]\n§aa", "[table lines=1]\n§aa"],
)  # fmt: skip
def test_what_nobody_has_folded_is_refused(text: str):
    with pytest.raises(ValueError, match="codebook"):
        FORM.unfold(text)


def test_a_few_bytes_of_a_stranger_do_not_become_a_gigabyte():
    long = Codebook("long", 1, None, (Entry("§aa", "many words " * 1000 + "end", 1, "active"),))
    folded = "[book lines=1 long@1]\n" + "§aa " * 250_000
    began = time.process_time()
    with pytest.raises(ValueError, match="more than"):
        Shared(long).unfold(folded)
    assert time.process_time() - began < LINEAR_SECONDS


def replace_status(entry: Entry, status: str) -> Entry:
    return Entry(entry.code, entry.phrase, entry.uses, status)  # type: ignore[arg-type]

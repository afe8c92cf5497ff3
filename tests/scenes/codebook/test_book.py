import dataclasses
import json
import re
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.texts import texts
from scenes.codebook.book import Codebook, Entry, InvalidCodebook, build
from scenes.codebook.objections import Objection, objection, structural
from tests.scenes.bounds import LINEAR_SECONDS
from tests.scenes.codebook.made import ANY_TEXT, REPETITIVE

ENTRIES = (
    Entry("§password", "Failed password for invalid user", 9, "active"),
    Entry("§pass", "Failed password for invalid user admin from elsewhere", 3, "retired"),
    Entry("§failure", "pam_unix(sshd:auth): authentication failure;", 5, "active"),
    Entry("§aa", "at com.example.Shop.reserve(Shop.java)", 5, "active"),
    Entry("§ab", "он стоял у двери, не решаясь войти", 5, "active"),
    Entry("§ac", "a draft of a phrase that nobody reviewed", 5, "draft"),
)
BOOK = Codebook("shop-logs", 1, None, tuple(entry for entry in ENTRIES if entry.code != "§pass"))
PARTS = st.integers(0, 2**48).map(
    lambda seed: "".join(
        (
            *(entry.phrase for entry in ENTRIES),
            *(entry.code for entry in ENTRIES),
            "§zz",
            "x",
            " ",
            " ",
            "\n",
            '"',
            '": ',
            "```",
            "\n```\n",
        )[(seed >> 4 * place) % 16 if seed >> 4 * place else -1]
        + (" ", "\n", "", ",")[(seed >> 4 * place) % 4]
        for place in range(12)
    )
)


def decodes(text: str) -> None:
    coded = BOOK.encode(text)
    if coded is not None:
        assert BOOK.decode(coded) == text
        assert len(coded) < len(text)
        assert BOOK.encode(coded) is None


@settings(max_examples=4000, deadline=None)
@given(st.one_of(PARTS, REPETITIVE, ANY_TEXT))
def test_what_is_said_with_a_book_comes_back(text: str):
    decodes(text)


def test_a_phrase_is_replaced_between_white_space_only():
    text = "Failed password for invalid user bob\nxFailed password for invalid user Failed password for invalid users"

    assert BOOK.encode(text) == text.replace("Failed password for invalid user bob", "§password bob")


def test_fenced_code_and_keys_stay():
    inside = "\n```\nFailed password for invalid user\n```\n"
    key = '{"the Failed password for invalid user count": 5}'
    fine = "Failed password for invalid user\n"

    assert BOOK.encode(inside) is None
    assert BOOK.encode(key) is None
    assert BOOK.encode(fine + inside + key) == "§password\n" + inside + key


def test_a_text_that_has_one_of_the_codes_is_left_alone_and_one_with_others_is_not():
    text = "Failed password for invalid user"

    assert BOOK.encode(f"{text} §aa") is None
    assert BOOK.encode(f"{text} §zz §aaa") == "§password §zz §aaa"


def test_drafts_are_neither_written_nor_read_and_the_retired_are_only_read():
    retired = BOOK.extended([
        dataclasses.replace(BOOK, version=1).entries[1].__class__("§failure", ENTRIES[2].phrase, 5, "retired")
    ])

    assert BOOK.encode("a draft of a phrase that nobody reviewed") is None
    assert BOOK.decode("§ac") == "§ac"
    assert retired.encode(ENTRIES[2].phrase) is None
    assert retired.decode("§failure") == ENTRIES[2].phrase
    assert "§failure" not in retired.legend
    assert "§ac" not in BOOK.legend


def test_the_legend_names_the_active_codes():
    assert BOOK.legend.splitlines()[1:] == [f"{entry.code}={entry.phrase}" for entry in BOOK.entries[:-1]]
    assert Codebook("empty", 1, None, ()).legend == ""
    assert Codebook("empty", 1, None, ()).encode("a text") is None


def test_a_new_version_adds_and_names_the_one_before():
    more = BOOK.extended([Entry("§reserve", "could not reserve the last item of", 4, "active")])

    assert (more.version, more.parent, more.id) == (2, BOOK.digest, BOOK.id)
    assert more.entries[: len(BOOK.entries)] == BOOK.entries
    assert more.digest != BOOK.digest
    assert BOOK.with_status("active").decode("§ac") == ENTRIES[-1].phrase


def test_a_code_is_never_given_another_phrase():
    with pytest.raises(InvalidCodebook, match="§aa stands for another phrase already"):
        BOOK.extended([Entry("§aa", "something else of many words altogether")])


def test_the_digest_is_of_all_that_is_in_the_book_and_of_nothing_else():
    again = Codebook.from_json(BOOK.to_json())

    assert again == BOOK
    assert again.digest == BOOK.digest
    assert re.fullmatch(r"[0-9a-f]{64}", BOOK.digest)
    others = [
        dataclasses.replace(BOOK, id="other"),
        dataclasses.replace(BOOK, kind="adaptive"),
        dataclasses.replace(BOOK, entries=BOOK.entries[:-1]),
        dataclasses.replace(
            BOOK, entries=(msgspec.structs.replace(BOOK.entries[0], uses=10), *BOOK.entries[1:])
        ),
    ]
    assert len({book.digest for book in (BOOK, *others)}) == 5


def written(**changes) -> str:
    return json.dumps(json.loads(BOOK.to_json()) | {"digest": None} | changes)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("{", "not a codebook in JSON"),
        (b"\xff", "not a codebook in JSON"),
        (written(schema="hb.codebook/2"), r"\$\.schema"),
        (written(digest="0" * 64), "digest: of another book"),
        (written(id="Über"), "id: at most 64"),
        (written(version=0), "version: from 1"),
        (written(version=2), "version: from 1"),
        (written(parent="0"), "version: from 1"),
        (written(entries=[{"code": "§aa"}]), r"missing required field `phrase` - at `\$\.entries\[0\]`"),
        (written(entries=[{"code": "§aa", "phrase": "x", "colour": 1}]), r"unknown field `colour`"),
        (written(entries=[{"code": "§aa", "phrase": "x", "status": "new"}]), r"\$\.entries\[0\]\.status"),
        (written(entries=[{"code": "§a1", "phrase": "a phrase of some more words"}]), r"entries\[0\]\.code"),
        (written(entries=[{"code": "§aa", "phrase": "short"}]), r"entries\[0\]\.phrase: has at least six"),
        (
            written(entries=[{"code": "§aa", "phrase": "mail to bob@example.com about the order"}]),
            r"phrase: has no address",
        ),
        (
            written(
                entries=[
                    {"code": code, "phrase": f"a phrase of some words {code[1:]}"} for code in ("§ab", "§abc")
                ]
            ),
            "§ab is given twice, or another code begins with it",
        ),
        (
            written(
                entries=[{"code": code, "phrase": "the same phrase of some words"} for code in ("§ab", "§cd")]
            ),
            r"entries\[1\]\.phrase: another entry has it",
        ),
        (
            written(
                entries=[
                    {
                        "code": f"§a{chr(97 + n // 26)}{chr(97 + n % 26)}",
                        "phrase": f"the phrase of words {'x' * n} y",
                        "status": "active",
                    }
                    for n in range(65)
                ]
            ),
            "at most 64 are active",
        ),
    ],
)
def test_a_book_that_breaks_a_rule_says_which(document: str | bytes, complaint: str):
    with pytest.raises(InvalidCodebook, match=complaint):
        Codebook.from_json(document)


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("", Objection.SPACE),
        (" a phrase of some more words", Objection.SPACE),
        ("a phrase of some more words\n", Objection.SPACE),
        ("a phrase\nof two lines and more", Objection.CONTROL),
        ("a phrase \ud800 of half a character", Objection.CONTROL),
        ("a phrase with §door in some words", Objection.CODE),
        ("two words", Objection.SHORT),
        ("Authorization: Bearer abcdefgh and some more", Objection.SECRET),
        ("export API_KEY=abcdefgh then some more words", Objection.SECRET),
        ("calls with sk-abcdefghijkl and some more words", Objection.SECRET),
        ("postgres://shop:hunter@db/shop and some more words", Objection.SECRET),
        ("mail to bob@example.com about the order", Objection.EMAIL),
        ("request f1297e52-46d2-5bef-649b-5360b4503393 was refused", Objection.IDENTIFIER),
        ("commit 3fc58a7 of the branch was refused", Objection.IDENTIFIER),
        ("listens on port 8080 of all its interfaces", Objection.DIGITS),
        ("version 1.2.3 of the package was refused", Objection.DIGITS),
        ("Failed password for invalid user", None),
        ("pam_unix(sshd:auth): authentication failure; logname= uid=0", None),
    ],
)
def test_what_is_of_one_person_or_one_value_gets_no_code(phrase: str, reason: Objection | None):
    assert objection(phrase) is reason
    if reason in {Objection.SPACE, Objection.CONTROL, Objection.CODE, Objection.SHORT, None}:
        assert structural(phrase) is reason
    else:
        assert structural(phrase) is None


def test_an_adaptive_book_may_have_values_that_a_reviewed_one_may_not():
    entry = Entry("§ab", "listens on port 8080 of all its interfaces", 1, "active")

    assert Codebook("mine", 1, None, (entry,), "adaptive").encode(entry.phrase) == "§ab"
    with pytest.raises(InvalidCodebook, match="fewer than three digits"):
        Codebook("mine", 1, None, (entry,), "reviewed")


@pytest.mark.parametrize(
    "text",
    [text for text in texts("log") if text.name in {"sshd", "openstack", "systemd", "spring", "hdfs"}],
    ids=lambda text: text.name,
)
def test_a_book_from_the_first_half_of_a_log_makes_the_other_half_shorter(text):
    lines = text.content.splitlines(keepends=True)
    seen, unseen = lines[: len(lines) // 2], "".join(lines[len(lines) // 2 :])

    book = build(["".join(seen[::2]), "".join(seen[1::2])], text.name).with_status("active")
    coded = book.encode(unseen)

    assert coded is not None
    assert book.decode(coded) == unseen
    assert len(coded) + len(book.legend) < 0.95 * len(unseen)
    assert all(objection(entry.phrase) is None and entry.uses > 0 for entry in book.entries)


def test_of_several_texts_a_phrase_must_stand_in_two():
    common, own = "could not reserve the last item of", "was declined by the issuer of card"
    documents = [f"{common} a\n" * 30 + f"{own} b\n" * 30, f"{common} c\n" * 30]

    assert [entry.phrase for entry in build(documents, "shop").entries] == [common]
    assert build([], "nothing").entries == ()
    assert {entry.status for entry in build(documents, "shop").entries} == {"draft"}


def test_a_megabyte_of_quotes_fences_or_phrases_is_read_in_less_than_a_second():
    phrase = ENTRIES[0].phrase
    for text in ('"' * 1_000_000, '"\\' * 500_000, "```\n" * 250_000, f"{phrase} " * 30_000, '" ' * 500_000):
        began = time.process_time()
        decodes(f"{phrase}\n{text}")
        assert time.process_time() - began < LINEAR_SECONDS

"""Files of other people's, as documents."""

import json
from pathlib import Path

import pytest

from training.corpus.document import Message, json_schema
from training.corpus.readers import MOST_CHARACTERS, Told, documents
from training.lines import SetAside

PROSE = "The desk waits below the level, and nobody of them wants to be the first to move."


def read_(path: Path, form="auto", **told):
    aside = SetAside(path.with_name("aside.jsonl"))
    return [*documents(path, form, Told(**told), aside)], aside


def file(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_text_is_one_document_and_a_long_one_is_cut_between_paragraphs(tmp_path):
    [short], _ = read_(file(tmp_path, "a.txt", PROSE))
    assert (short.text, short.kind, short.language, short.licence, short.source) == (
        PROSE,
        "text",
        "en",
        "unknown",
        "a.txt",
    )
    paragraphs = [f"{number} {PROSE}" for number in range(300)]
    parts, _ = read_(file(tmp_path, "b.txt", "\n\n".join(paragraphs)))
    assert len(parts) > 2
    assert "\n\n".join(part.text for part in parts) == "\n\n".join(paragraphs)
    assert all(len(part.text) <= MOST_CHARACTERS + len(PROSE) for part in parts)


def test_markdown_loses_its_marks_and_its_code(tmp_path):
    text = "---\ntitle: x\n---\n# Head #\n\nSee [the **desk**](http://x.y/z) and ![a plan](p.png).\n\n```py\ncode()\n```\n\n> said so\n<!-- no -->"
    [found], _ = read_(file(tmp_path, "a.md", text))
    assert found.text == "Head\n\nSee the desk and a plan.\n\nsaid so"


def test_a_book_comes_in_chapters_without_what_the_library_wrote(tmp_path):
    page = "\n".join(["The ship lay at anchor below the town all through that long winter,"] * 4)
    verse = "The sea is grey,\nthe sail is white,\nwe sailed by day,\nwe sailed by night."
    text = f"Licence\n*** START OF THE BOOK X ***\n\nCHAPTER I\n\n{page}\n\nChapter II. Of verses\n\n{verse}\n\n*** END OF THE BOOK X ***\nmore licence"
    found, _ = read_(file(tmp_path, "x.txt", text), "book", licence="CC0-1.0")
    assert [each.kind for each in found] == ["book", "book"]
    assert found[0].text == f"CHAPTER I\n\n{page.replace(chr(10), ' ')}"
    assert found[1].text == f"Chapter II. Of verses\n\n{verse}"
    assert "icence" not in "".join(each.text for each in found)
    assert found[0].group != found[1].group


def test_a_chat_log_is_dialogues_with_roles(tmp_path):
    text = "[12:01] Anna: Where is the stop?\n[12:02] Bot: At 1.27.\nNo, at 1.28.\n[12:03] Anna: Thanks.\n\nOleg: And now?\nMira: Wait."
    [first, second], _ = read_(file(tmp_path, "a.log", text), task="risk")
    assert first.messages == [
        Message("user", "Where is the stop?"),
        Message("assistant", "At 1.27.\nNo, at 1.28."),
        Message("user", "Thanks."),
    ]
    assert [message.role for message in second.messages] == ["user", "assistant"]
    assert first.task == "risk"


def test_lines_of_json_are_texts_messages_or_pairs_and_wrong_ones_are_set_aside(tmp_path):
    lines = [
        {"text": PROSE, "licence": "MIT"},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"prompt": "a?", "completion": "c", "task": "risk"},
        {"other": 1},
        {"messages": [{"role": "owner", "content": "a"}]},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + '\nno json\n[1]\n{"text": "cut o'
    found, aside = read_(file(tmp_path, "a.jsonl", text))
    assert [each.kind for each in found] == ["text", "dialogue", "dialogue"]
    assert (found[0].licence, found[2].task) == ("MIT", "risk")
    assert aside.count == 5
    told = [json.loads(line) for line in (tmp_path / "aside.jsonl").read_text().splitlines()]
    assert [each["line"] for each in told] == [4, 5, 6, 7, 8]
    assert "the file ends within this line" in told[-1]["reason"]
    assert told[2]["text"] == "no json"


@pytest.mark.parametrize(
    ("text", "language"),
    [(PROSE, "en"), ("Рынок ждёт, и никто не хочет быть первым.", "ru"), ("12 34", "und")],
)
def test_the_language_is_found_or_told(tmp_path, text, language):
    [found], _ = read_(file(tmp_path, "a.txt", text))
    assert found.language == language
    [told], _ = read_(file(tmp_path, "a.txt", text), language="de")
    assert told.language == "de"


def test_bytes_that_are_no_utf8_and_other_line_ends_are_read_all_the_same(tmp_path):
    [found], _ = read_(file(tmp_path, "a.txt", b"\xef\xbb\xbfone\r\ntwo \xff"))
    assert found.text == "one\ntwo �"


def test_the_schema_of_a_document_is_published():
    assert json_schema()["title"] == "hb.document/1"

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.texts import texts
from scenes.codebook.adaptive import Adaptive
from scenes.codebook.codes import SIGIL
from scenes.contracts import MARKER
from tests.scenes.bounds import LINEAR_SECONDS
from tests.scenes.codebook.made import ANY_TEXT, REPETITIVE
from tests.support.process import printed

FORM = Adaptive()


def returns(text: str) -> bool:
    folded = FORM.fold(text)
    if folded is None:
        return False
    assert FORM.unfold(folded) == text == FORM.canonical(text)
    assert len(folded) < len(text)
    head, _, rest = folded.partition("\n")
    assert MARKER.fullmatch(head)
    assert f" lines={rest.count(chr(10)) + 1} " in head
    assert MARKER.search(text) is None
    return True


@settings(max_examples=2000, deadline=None)
@given(ANY_TEXT)
def test_any_text_comes_back(text: str):
    returns(text)
    returns("\n".join([text] * 9))


@settings(max_examples=8_000, deadline=None)
@given(REPETITIVE)
def test_a_text_that_repeats_itself_and_is_full_of_what_looks_like_codes_comes_back(text: str):
    returns(text)


@settings(max_examples=500, deadline=None)
@given(st.one_of(ANY_TEXT, REPETITIVE))
def test_what_was_not_written_with_codes_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        FORM.unfold(text)


HEAD = "[codes lines={} legend={} each §code stands for the phrase after its =]\n"


@pytest.mark.parametrize(
    "folded",
    [
        HEAD.format(2, 1) + "§ab=a phrase\nwith §ac",
        HEAD.format(2, 1) + "§ab:a phrase\nwith §ab",
        HEAD.format(2, 1) + "§ab=\nwith §ab",
        HEAD.format(3, 2) + "§ab=a phrase\n§ab=another\n§ab",
        HEAD.format(3, 1) + "§ab=a phrase\n§ab",
        HEAD.format(2, 3) + "§ab=a phrase\n§ab",
        HEAD.format(2, 1) + '§ab="a phrase\n§ab',
        HEAD.format("²", 1) + "§ab=a phrase\n§ab",
        HEAD.format("9" * 5000, 1) + "§ab=a phrase\n§ab",
    ],
)
def test_a_damaged_legend_or_a_wrong_count_is_refused(folded: str):
    with pytest.raises(ValueError, match=r"."):
        FORM.unfold(folded)


def test_a_phrase_of_whole_words_is_said_once():
    line = "10:00:{:02} ERROR com.example.shop.OrderService: could not reserve item {}"
    text = "\n".join(line.format(number, 4711 + 7 * number) for number in range(20))

    folded = FORM.fold(text)

    assert folded is not None
    assert folded.count("com.example.shop.OrderService") == 1
    assert re.search(r"\n10:00:07 §[a-z]+ 4760\n", folded)


def test_a_stack_trace_that_comes_again_is_one_code():
    trace = "java.sql.SQLException: no connection\n\tat a.b.Pool.get(Pool.java:181)\n\tat a.b.Orders.place(Orders.java:5)"
    text = "\n".join(f"10:00:{second:02} request {second * 37} failed\n{trace}" for second in range(12))

    folded = FORM.fold(text)

    assert folded is not None
    assert folded.count("\n") <= text.count("\n") / 1.8
    assert folded.count("Pool.java:181") == 1


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "a longer phrase of words"}, ' * 40,
        "[" + ", ".join(["17, 4711, 12.25, 99"] * 60) + "]",
        '{"message": "could not reserve the item"}\n' * 50,
    ],
)
def test_json_is_left_to_the_forms_that_keep_its_values_whole(text: str):
    assert FORM.fold(text) is None


@pytest.mark.parametrize(
    "line",
    [
        "    result = compute_the_total_of_all_items(order, customer);",
        "#define SHOP_ORDER_MAXIMUM_NUMBER_OF_ITEMS 100",
        "    return self.compute_the_total_of_all_items(order)",
    ],
)
def test_code_is_left_alone_however_often_it_says_the_same(line: str):
    assert FORM.fold((line + "\n    more_of_the_same_thing_in_words\n") * 40) is None


def test_a_ruled_line_is_few_tokens_whatever_its_length():
    rows = "".join(f"{'-' * 78}\nrow {number * 37} of {number * 11}\n" for number in range(30))

    assert FORM.fold(rows) is None


def test_no_code_stands_for_a_part_of_a_quoted_value_or_of_a_date():
    line = '{} GET "a title of many words, number {}" May  7  2025 {}'
    text = "\n".join(line.format(number * 31, number, number * 17) for number in range(60))

    folded = FORM.fold(text)

    assert folded is not None
    legend = re.findall(rf"(?m)^{SIGIL}[a-z]+=(.+)$", folded)
    assert all(phrase.count('"') % 2 == 0 for phrase in legend)
    assert not any(re.fullmatch(r"[\d ]+", phrase) for phrase in legend if " " in phrase)


def test_a_text_that_has_codes_or_markers_of_its_own_is_left_alone():
    text = "10:00:01 ERROR com.example.shop.OrderService: could not reserve item\n" * 30

    assert FORM.fold(text) is not None
    assert FORM.fold(text + "§ab") is None
    assert FORM.fold(text + "[table rows=1]\n") is None
    assert FORM.fold(text + "§ 5, §1\n") is not None
    assert FORM.fold(FORM.fold(text) or "") is None


@pytest.mark.parametrize("text", list(texts("prose", "code", "docs", "base64")), ids=lambda text: text.name)
def test_prose_and_code_are_left_alone(text):
    assert FORM.fold(text.content) is None


@pytest.mark.parametrize("text", list(texts()), ids=lambda text: text.name)
def test_texts_of_a_machine_come_back(text):
    returns(text.content)


@pytest.mark.parametrize("text", list(texts("log")), ids=lambda text: text.name)
def test_a_phrase_begins_and_ends_with_a_word_wherever_it_is_replaced(text):
    folded = FORM.fold(text.content) or HEAD.format(1, 0)

    entries = int(folded.split(" legend=")[1].split()[0])
    body = folded.split("\n", entries + 1)[-1]
    assert not re.search(r"\S§[a-z]|§[a-z]++\S", body)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "a" * 1_000_000,
        "a " * 500_000,
        "§ " * 500_000,
        '"' * 1_000_000,
        "\n" * 1_000_000,
        " " * 1_000_000,
        "ab " * 300_000 + "\n",
        "the same line with some words\n" * 33_000,
        "\\" * 1_000_000,
        "é " * 500_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_a_megabyte_of_hostile_text_takes_less_than_a_second(text: str):
    began = time.process_time()

    returns(text)

    assert time.process_time() - began < LINEAR_SECONDS


def test_every_process_chooses_the_same():
    source = "\n".join(text.content for text in texts("log"))[:20_000].encode("ascii", "replace").decode()
    script = (
        "import hashlib; from scenes.codebook.adaptive import Adaptive;"
        f"print(hashlib.sha256((Adaptive().fold({source!r}) or '').encode()).hexdigest())"
    )

    assert len(printed(script)) == 1

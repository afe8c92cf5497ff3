import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.nodes import SHORT_BYTES
from app.prompt import BYTES_A_TOKEN, IMAGE_TOKENS, prompt
from app.wire import Members

MEGABYTE = 1_000_000
PIXELS = "data:image/png;base64," + "iVBO" * (MEGABYTE // 4)
IMAGE = {"type": "image_url", "image_url": {"url": PIXELS}}


def of(**body):
    return prompt(Members.of(msgspec.json.encode(body)))


def said(content):
    return of(messages=[{"role": "user", "content": content}])


def escaped(text):
    """A chat whose JSON has nothing but ASCII, as many clients send it."""
    content = '"' + "".join(map(_unit, text)) + '"'
    return prompt(Members.of(b'{"messages":%b}' % user(content).encode()))


def _unit(character):
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


@pytest.mark.parametrize(
    "short", ["merge two lists ", "слей два списка ", "合并两个列表", "🙂", 'a "b" \\ c\n']
)
@pytest.mark.parametrize("times", [3, 20_000])
def test_a_prompt_has_as_many_tokens_as_four_go_into_its_bytes(short, times):
    text = short * times
    tokens = len(text.encode()) / BYTES_A_TOKEN

    assert said(text).tokens == pytest.approx(tokens, rel=0.02, abs=1)
    assert said([{"type": "text", "text": text}]).tokens == pytest.approx(tokens, rel=0.02, abs=1)
    assert escaped(text).tokens == pytest.approx(tokens, rel=0.02, abs=1)


def test_texts_of_many_messages_are_added_up():
    messages = [{"role": role, "content": "слово за словом " * 20} for role in ("user", "assistant")]
    tokens = len("слово за словом ".encode()) * 20 * 2000 / BYTES_A_TOKEN

    assert of(messages=messages * 1000).tokens == pytest.approx(tokens)


@pytest.mark.parametrize("rest", ["", "x" * SHORT_BYTES])
def test_an_image_has_a_thousand_tokens_whatever_its_bytes(rest):
    seen = said([{"type": "text", "text": rest}, IMAGE, {"type": "image", "source": {"data": PIXELS}}])

    assert seen.images == 2
    assert seen.tokens == 2 * IMAGE_TOKENS + len(rest) // BYTES_A_TOKEN


def test_an_image_that_a_tool_answered_with_is_seen_in_a_long_prompt():
    answered = {"type": "tool_result", "content": [{"type": "image", "source": {"data": PIXELS}}]}

    assert said([answered, {"type": "text", "text": "what is it?"}]).images == 1


@pytest.mark.parametrize("numbers", [100, 3_000_000])
def test_a_prompt_in_tokens_has_these(numbers):
    assert of(input=[17] * numbers).tokens == pytest.approx(numbers, rel=0.01)
    assert of(prompt=[[17, 18]] * (numbers // 2)).tokens == pytest.approx(numbers, rel=0.01)


def test_what_is_read_of_a_long_text_is_how_it_begins_and_how_it_ends():
    seen = said("Read this. " + "and so on " * MEGABYTE + "What does it say?")

    assert seen.text.startswith("Read this. and so on")
    assert seen.text.endswith("and so on What does it say?")
    assert len(seen.text) <= SHORT_BYTES + 1


def test_what_is_read_of_many_long_parts_is_how_the_first_begins_and_the_last_ends():
    parts = [{"type": "text", "text": f"part {number} " + "x" * 20_000 + " end"} for number in range(50)]
    seen = said([*parts, IMAGE])

    assert seen.text.startswith("part 0 ")
    assert seen.text.endswith(" end")
    assert "part 49 " not in seen.text
    assert len(seen.text) <= SHORT_BYTES + 1


def test_the_last_of_many_messages_is_the_one_that_is_read():
    messages = [{"role": "user", "content": f"question {number} " * 10} for number in range(5000)]
    seen = of(messages=[{"role": "system", "content": "be brief"}, *messages])

    assert seen.text == "question 4999 " * 10
    assert seen.turns == 5000
    assert [*seen.opening] == [("system", "be brief"), ("user", "question 0 " * 10)]


@settings(deadline=None)
@given(st.text(min_size=1, max_size=50), st.booleans())
def test_no_character_is_too_odd_to_be_cut_at(short, is_escaped):
    text = short * (2 * SHORT_BYTES // len(short))
    seen = escaped(text) if is_escaped else said(text)

    assert seen.text.startswith(text[:1000])
    assert seen.text.endswith(text[-1000:])


def test_texts_in_an_array_are_read_as_one_where_they_are_long():
    seen = of(prompt=["say this", "x" * MEGABYTE, 'and "that"'])

    assert seen.text.lstrip().startswith("say this")
    assert seen.text.rstrip().endswith('and "that"')
    assert seen.tokens == pytest.approx(MEGABYTE / BYTES_A_TOKEN, rel=0.01)


def user(content):
    return f'[{{"role":"user","content":{content}}}]'


def array(*items):
    return f"[{','.join(items)}]"


def deep(name, times):
    opening = f'{{"{name}":'
    return array(opening * times + TEXT + "}" * times)


TEXT = f'"{"x" * 10 * MEGABYTE}"'


@pytest.mark.parametrize(
    "messages",
    [
        user(TEXT),
        user(array(*['{"type":"text","text":"hello"}'] * 300_000)),
        user(array(*["{}"] * 3_000_000)),
        user(array(*["0"] * 5_000_000)),
        user(array(*["0"] * 5_000_000, '"a"')),
        array(*['"a"'] * 2_500_000),
        array("{" + ",".join(f'"{name}":1' for name in range(800_000)) + "}"),
        deep("content", 200),
        deep("input", 200),
    ],
    ids=[
        "text",
        "parts",
        "objects",
        "numbers",
        "numbers and a text",
        "texts",
        "members",
        "deep",
        "deep input",
    ],
)
def test_nothing_of_ten_megabytes_holds_the_others_up(messages):
    members = Members.of(b'{"messages":%b}' % messages.encode())
    began = time.process_time()
    prompt(members)

    assert time.process_time() - began < 0.25

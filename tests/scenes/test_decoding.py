import json
import re
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.codebook.codes import CODE
from scenes.decoding import Decoder, JsonDecoder

PHRASES = {
    "§ab": "Failed password for invalid user",
    "§door": 'he said "no" at C:\\temp\\new',
    "§doors": "a phrase\nof two lines\tand a tab",
    "§port": "он стоял у двери, не решаясь войти 𝔸",
    "§aa": "plain",
}
ATOMS = (
    *PHRASES, "§", "§zz", "§unknown", "§abcdefghijk", "§§ab", "ab", "§ab9", "§aé", "§abé", "§ab_", "x§ab", "\n", " ", "9",
    '"', "\\", "\\u00a7", "\\u00a7ab", "\\ud835\\udd38", "𝔸", "é", "\ud835", ",", ":", "{", "}", "[", "]",
)  # fmt: skip


def offline(text: str) -> str:
    return CODE.sub(lambda code: PHRASES.get(code[0], code[0]), text)


def pieces(text: str, random: Random) -> list[str]:
    longest = random.choice((1, 2, 5, 20, len(text) + 1))
    found, at = [], 0
    while at < len(text):
        size = random.randint(0, longest)
        found.append(text[at : at + size])
        at += size
    return found


def streamed(stream, parts: list[str]) -> str:
    return "".join([*(stream.feed(part) for part in parts), stream.flush()])


def value(random: Random, depth: int = 0):
    kind = random.randint(0, 5 if depth < 3 else 2)
    if kind < 3:
        return "".join(random.choices(ATOMS, k=random.randint(0, 8)))
    if kind == 3:
        return random.choice((True, None, 1.5, -7))
    if kind == 4:
        return [value(random, depth + 1) for _ in range(random.randint(0, 4))]
    return {
        "".join(random.choices(ATOMS, k=2)): value(random, depth + 1) for _ in range(random.randint(0, 4))
    }


def decoded(document):
    """What the document is once the codes in its strings are undone; keys stay."""
    if isinstance(document, str):
        return offline(document)
    if isinstance(document, list):
        return [decoded(each) for each in document]
    return {key: decoded(each) for key, each in document.items()} if isinstance(document, dict) else document


SEEDS = st.integers(0, 2**48)


@settings(max_examples=4000, deadline=None)
@given(SEEDS)
def test_whatever_the_pieces_a_text_is_decoded_as_if_it_had_come_whole(seed: int):
    random = Random(seed)
    text = "".join(random.choices(ATOMS, k=random.randint(0, 30)))

    begins_as_json = text.lstrip().startswith(("{", "[", "`"))
    whole = streamed(Decoder(PHRASES), [text]) if begins_as_json else offline(text)
    assert streamed(Decoder(PHRASES), pieces(text, random)) == whole


@settings(max_examples=1000, deadline=None)
@given(st.text(st.characters(exclude_categories=())), SEEDS)
def test_any_text_without_codes_passes_as_it_is(text: str, seed: int):
    text = text.replace("§", "")

    assert streamed(Decoder(PHRASES), pieces(text, Random(seed))) == text


@settings(max_examples=4000, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from((None, 1)))
def test_arguments_in_json_stay_json_with_the_codes_in_their_strings_undone(seed: int, ascii_only, indent):
    random = Random(seed)
    document = value(random)
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)

    out = streamed(JsonDecoder(PHRASES), pieces(text, random))

    assert json.loads(out) == decoded(json.loads(text))


@settings(max_examples=4000, deadline=None)
@given(SEEDS)
def test_what_is_not_quite_json_is_read_the_same_in_any_pieces_and_keeps_all_else(seed: int):
    random = Random(seed)
    text = "".join(random.choices(ATOMS, k=random.randint(0, 30)))
    whole = JsonDecoder(PHRASES)

    out = streamed(whole, [text])

    assert streamed(JsonDecoder(PHRASES), pieces(text, random)) == out
    assert out == text or whole.decoded


@given(st.integers(0, 2**32), st.sampled_from(["", " \n", "```json\n", "```\n"]), st.sampled_from([None, 2]))
@settings(max_examples=1000)
def test_json_that_nobody_asked_for_stays_json(seed: int, before: str, indent):
    random = Random(seed)
    document = (
        {"a": value(random), "b": [value(random), "§door"]}
        if random.random() < 0.7
        else [value(random, 2), "§doors"]
    )
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    plain = streamed(Decoder(PHRASES), pieces(before + text, random))
    assert plain.startswith(before)
    starts_with_a_number = isinstance(document, list) and not isinstance(document[0], str | list | dict)
    if not starts_with_a_number:
        assert json.loads(plain.removeprefix(before)) == everywhere(document)


def everywhere(document):
    """What the document is once its codes are undone, in keys as well."""
    if isinstance(document, str):
        return offline(document)
    if isinstance(document, list):
        return [everywhere(each) for each in document]
    if isinstance(document, dict):
        return {offline(key): everywhere(each) for key, each in document.items()}
    return document


@pytest.mark.parametrize(
    "text", ["[§door] is shut", "{§door}", 'So: {"a": "§door"}', '```python\nx = "§door"\n```']
)
def test_what_is_no_json_has_its_phrases_as_they_are(text: str):
    assert streamed(Decoder(PHRASES), list(text)) == offline(text)


def test_a_code_is_one_only_before_what_is_no_letter_and_no_digit():
    assert streamed(Decoder(PHRASES), ["§ab §ab, §abc §ab9 §abé §ab_ §ab"]) == (
        "{0} {0}, §abc §ab9 §abé {0}_ {0}".format(PHRASES["§ab"])
    )


def test_unknown_codes_pass_and_are_counted():
    stream = Decoder(PHRASES)

    assert streamed(stream, ["§z", "z §a", "b §", "5 §A"]) == f"§zz {PHRASES['§ab']} §5 §A"
    assert (stream.decoded, stream.unknown) == (1, 1)


def test_no_more_than_the_longest_code_is_held_back():
    text = "a §door and §unknown, then §§§ab " * 20
    stream, held = Decoder({}), 0
    for number, character in enumerate(text, 1):
        held += len(stream.feed(character))
        assert number - held <= len("§unknown!")


def test_keys_stay_and_values_are_escaped():
    stream = JsonDecoder(PHRASES)

    out = streamed(stream, ['{"§ab": "§do', 'or", "b": ["§ab"], "c": {"\\u00a7ab": "\\u00', 'a7doors."}}'])

    assert json.loads(out) == {
        "§ab": PHRASES["§door"],
        "b": [PHRASES["§ab"]],
        "c": {"§ab": PHRASES["§doors"] + "."},
    }
    assert stream.decoded == 3


def test_an_escaped_letter_after_a_code_makes_it_none_even_where_it_is_half_a_pair_away():
    text = '["§ab\\u0041 §ab\\u002e §ab\\ud835\\udd38 §ab\\ud83d\\ude00 §ab\\ud835 x"]'

    assert json.loads(streamed(JsonDecoder(PHRASES), list(text))) == decoded(json.loads(text))


def test_arguments_that_were_cut_off_keep_what_was_said():
    assert streamed(JsonDecoder(PHRASES), ['{"a": "x §a', "b"]) == f'{{"a": "x {PHRASES["§ab"]}'
    assert streamed(JsonDecoder(PHRASES), ['{"a": "x \\', "u00"]) == '{"a": "x \\u00'


@pytest.mark.parametrize(
    "text",
    [
        "§" * 1_000_000,
        "§ab " * 250_000,
        "[" * 1_000_000,
        '"§ab\\' * 200_000,
        "\\" * 1_000_000,
        '"' * 1_000_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_a_megabyte_at_once_takes_less_than_a_second_and_in_many_pieces_little_more(text: str):
    for stream in (Decoder(PHRASES), JsonDecoder(PHRASES)):
        began = time.process_time()
        streamed(stream, [text])
        streamed(stream, re.findall(r"(?s).{1,100}", text))
        assert time.process_time() - began < 2


def test_a_piece_takes_microseconds():
    """Goal: 3 microseconds; the bound leaves room for a busy machine."""
    words = [word + " " for word in ("the request took 12 ms and then " * 400).split(" ")]
    arguments = ['{"query": "', *words, '"}']
    for stream, parts in ((Decoder(PHRASES), words), (JsonDecoder(PHRASES), arguments)):
        began = time.process_time()
        streamed(stream, parts)
        assert (time.process_time() - began) / len(parts) < 15e-6

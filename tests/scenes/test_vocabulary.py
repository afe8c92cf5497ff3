"""Files of vocabularies are read as they are meant, or refused with what is wrong in them."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.tokens import Exact
from scenes.vocabulary import is_vocabulary, read
from tests.support.vocabularies import TOKENIZERS

SPLIT = {"type": "Split", "pattern": {"Regex": r"\S+|\s+"}, "behavior": "Isolated", "invert": False}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def letters() -> list[str]:
    """GPT-2's alphabet, a letter for each byte in their order."""
    hidden = iter(range(0x100, 0x200))
    return [
        chr(byte) if 0x21 <= byte <= 0x7E or (0xA1 <= byte <= 0xFF and byte != 0xAD) else chr(next(hidden))
        for byte in range(0x100)
    ]


def tokenizer_json(*merges: tuple[str, str], **changes: Any) -> dict[str, Any]:
    """A byte-level BPE with these merges."""
    pieces = [*letters(), *("".join(merge) for merge in merges)]
    return {
        "added_tokens": [{"id": 0, "content": "<s>"}],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTE_LEVEL]},
        "model": {
            "type": "BPE",
            "vocab": {"<s>": 0, **{piece: rank for rank, piece in enumerate(pieces, start=1)}},
            "merges": [list(merge) for merge in merges],
        },
    } | changes


def tekken(pieces: list[bytes], size: int) -> bytes:
    return json.dumps({
        "config": {"pattern": r"\S+|\s+", "default_vocab_size": size + 10, "default_num_special_tokens": 10},
        "vocab": [
            {"rank": rank, "token_bytes": b64encode(piece).decode()} for rank, piece in enumerate(pieces)
        ],
    }).encode()


def lines(family: str) -> bytes:
    [path] = [each for each in (TOKENIZERS / family).iterdir() if is_vocabulary(each.name)]
    return path.read_bytes()


def refusal(family: str, file_name: str, data: bytes | dict[str, Any]) -> str:
    with pytest.raises(ValueError, match=r".+") as refused:
        read(family, file_name, data if isinstance(data, bytes) else json.dumps(data).encode())
    return str(refused.value)


def test_a_byte_level_bpe_merges_in_the_order_of_its_ids():
    vocabulary = read("mine", "tokenizer.json", json.dumps(tokenizer_json(("a", "b"), ("ab", "c"))).encode())

    assert vocabulary.ranks[b"abc"] == vocabulary.ranks[b"ab"] + 1
    assert Exact(vocabulary).count("abc ab c") == 5


def test_merges_may_be_written_as_one_string():
    file = tokenizer_json(("a", "b"))
    file["model"]["merges"] = ["a b"]

    assert b"ab" in read("mine", "tokenizer.json", json.dumps(file).encode()).ranks


def test_merges_in_another_order_than_ids_are_refused():
    file = tokenizer_json(("a", "b"), ("c", "d"))
    file["model"]["merges"].reverse()

    assert "another order" in refusal("mine", "tokenizer.json", file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": {"type": "Unigram", "vocab": {}, "merges": []}}, "byte-level BPE"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": [], "byte_fallback": True}}, "byte-level BPE"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "Metaspace"),
        ({"pre_tokenizer": None}, "0 steps"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, SPLIT]}}, "2 steps"),
        ({"pre_tokenizer": {**SPLIT, "behavior": "MergedWithNext"}}, "'Split'"),
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"added_tokens": []}, "every byte|byte-level"),
    ],
)
def test_what_cannot_be_counted_with_is_refused_by_name(change: dict[str, Any], words: str):
    file = tokenizer_json(("a", "b"), **change)
    if change == {"added_tokens": []}:
        file["model"]["vocab"] = {"中": 0, **file["model"]["vocab"]}

    found = refusal("mine", "tokenizer.json", file)

    assert any(word in found for word in words.split("|")), found


def test_a_text_is_composed_where_the_file_says_so():
    file = tokenizer_json(("a", "b"), normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]})

    assert read("mine", "tokenizer.json", json.dumps(file).encode()).composed
    assert not read("mine", "tokenizer.json", json.dumps(tokenizer_json(("a", "b"))).encode()).composed


def test_tekken_has_as_many_pieces_as_its_head_says():
    pieces = [bytes((byte,)) for byte in range(256)] + [b"ab", b"abc", b"beyond"]

    assert len(read("mistral", "tekken.json", tekken(pieces, 258)).ranks) == 258
    assert "259 pieces" in refusal("mistral", "tekken.json", tekken(pieces, 300))


def test_a_file_that_ends_early_is_refused():
    for family, file_name in (("qwen", "qwen.tiktoken"), ("llama", "tokenizer.model")):
        data = lines(family)
        whole_lines = data[: data.rindex(b"\n", 0, 900_000) + 1]

        assert "truncated" in refusal(family, file_name, whole_lines)
        assert "truncated" in refusal(family, file_name, b"")
    for family, file_name in (("deepseek", "tokenizer.json"), ("mistral", "tekken_240911.json")):
        assert "truncated" in refusal(family, file_name, lines(family)[:900_000])


def test_a_line_that_is_no_piece_is_named():
    assert "line 2 " in refusal("qwen", "qwen.tiktoken", b"IQ== 0\nnonsense\n")
    assert "line 1 " in refusal("qwen", "qwen.tiktoken", b"!!== 0\n")


def test_pieces_without_a_pattern_need_a_family_that_has_one():
    found = refusal("kimi-k2", "kimi.tiktoken", b"IQ== 0\n")

    assert "'kimi-k2'" in found
    assert "tokenizer.json" in found


def test_a_file_of_another_family_is_not_taken_for_this_one():
    assert "of another family" in refusal("qwen", "qwen.tiktoken", lines("cl100k"))


def test_a_vocabulary_without_a_byte_is_refused():
    file = tokenizer_json(("a", "b"))
    del file["model"]["vocab"]["z"]

    assert "not every byte" in refusal("mine", "tokenizer.json", file)


def test_two_pieces_of_one_rank_are_refused():
    file = tokenizer_json(("a", "b"))
    file["model"]["vocab"]["z"] = file["model"]["vocab"]["y"]

    assert "one rank" in refusal("mine", "tokenizer.json", file)


@given(
    data=st.binary(max_size=200),
    file_name=st.sampled_from(["x.tiktoken", "tokenizer.json", "tekken.json", "tokenizer.model"]),
)
def test_any_bytes_are_read_or_refused_with_a_value_error(data: bytes, file_name: str):
    with pytest.raises(ValueError, match=r".+"):
        read("qwen", file_name, data)


def test_files_of_other_kinds_are_left_alone():
    assert not any(
        map(
            is_vocabulary,
            ("config.json", "tokenizer_config.json", "vocab.json", "tekken.txt", "model.safetensors"),
        )
    )

"""The head of a GGUF file, read whole or refused."""

import struct

import pytest

from adapters.embedded.heads import Head, Unreadable
from tests.adapters.embedded.files import HIDDEN, VOCABULARY


def test_a_head_says_what_the_file_is(files):
    model, lora = Head.of(files.model), Head.of(files.poet)

    assert (model.architecture, model.vocabulary, model.is_adapter) == ("qwen3", VOCABULARY, False)
    assert model.shapes["token_embd.weight"] == (HIDDEN, VOCABULARY)
    assert model.values["qwen3.embedding_length"] == HIDDEN
    assert lora.is_adapter
    assert lora.values["adapter.lora.alpha"] == 8.0


def test_a_head_cut_anywhere_is_refused(files, tmp_path):
    data = files.poet.read_bytes()
    cut = tmp_path / "cut.gguf"
    for size in range(0, 1200, 7):
        cut.write_bytes(data[:size])
        with pytest.raises(Unreadable):
            Head.of(cut)


@pytest.mark.parametrize("place", [8, 16, 24])
@pytest.mark.parametrize("number", [2**40, 2**64 - 1])
def test_numbers_beyond_the_file_are_refused(files, tmp_path, place, number):
    data = bytearray(files.poet.read_bytes())
    data[place : place + 8] = struct.pack("<Q", number)
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(data)

    with pytest.raises(Unreadable):
        Head.of(odd)

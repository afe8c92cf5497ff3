"""Hypertokens in tokenizers of several makes: whole, apart from each other, and the same after saving."""

import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import SentencePieceUnigramTokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from scenes.hypertokens import SURFACE, same_letter
from tests.forge.conftest import ROOT, Forged, forge
from training.book import Text
from training.rows import Base, book, put
from training.wrong import Wrong

NUMBERS = (1, 14, 145, 1450)
TEXTS = [Text(f"The desk waits for number {number}.", f"Δ{number}") for number in NUMBERS]


def byte_level(_: Path) -> PreTrainedTokenizerFast:
    """A real one: DeepSeek's."""
    return PreTrainedTokenizerFast(tokenizer_file=str(ROOT / ".tokenizers" / "deepseek" / "tokenizer.json"))


def sentence_piece(_: Path) -> PreTrainedTokenizerFast:
    """A real one, with bytes to fall back to: Llama 2's."""
    return PreTrainedTokenizerFast(tokenizer_file=str(ROOT / ".vectors" / "tokenizer.json"))


def unigram(folder: Path) -> PreTrainedTokenizerFast:
    """As SentencePiece makes them for T5 and others; with an unknown token, and no bytes."""
    made = SentencePieceUnigramTokenizer()
    letters = [chr(code) for code in range(33, 0x500) if chr(code).isprintable()]
    made.train_from_iterator(["The desk waits below the level.", " ".join(letters)], vocab_size=1400, show_progress=False,
                             unk_token="<unk>", special_tokens=["<unk>"])  # fmt: skip
    made.save(str(folder / "unigram.json"))
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "unigram.json"), unk_token="<unk>")


def base_of(tokenizer: PreTrainedTokenizerFast, free: int = 10) -> Base:
    """A model of chance with so many rows more than there are tokens."""
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=len(tokenizer) + free, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=8, intermediate_size=8, tie_word_embeddings=True,
    )  # fmt: skip
    return Base(Qwen3ForCausalLM(config), tokenizer)


@pytest.fixture(scope="module", params=[byte_level, sentence_piece, unigram])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    make: Callable[[Path], PreTrainedTokenizerFast] = request.param
    made = base_of(make(tmp_path_factory.mktemp("tokenizer")))
    put(made, TEXTS)
    return made


def ids(base: Base, text: str) -> list[int]:
    found: list[int] = base.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def told(base: Base, text: str) -> list[str]:
    """The surfaces among the tokens of a text."""
    own = {base.tokenizer.convert_tokens_to_ids(text.surface): text.surface for text in TEXTS}
    return [own[token] for token in ids(base, text) if token in own]


def test_no_number_swallows_a_longer_one(base):
    for number in NUMBERS:
        assert told(base, f"x <|Δ{number}|> y") == [f"<|Δ{number}|>"]
    assert told(base, "<|Δ14|>5 <|Δ1|>45|> Δ14 <|Δ99|> <|Δ 14|>") == ["<|Δ14|>", "<|Δ1|>"]


def test_chains_stay_whole_with_anything_between_them(base):
    for between in ("", " ", "\n", "\t", "-", "→", "⟲", "·", "1", "Δ", "|", "<", "<|", "|>"):
        chain = between.join(["<|Δ14|>", "<|Δ145|>", "<|Δ1|>"])
        assert told(base, chain) == ["<|Δ14|>", "<|Δ145|>", "<|Δ1|>"], repr(between)


CATEGORIES: dict[str, list[str]] = {}
for _code in range(sys.maxunicode + 1):
    _found = CATEGORIES.setdefault(unicodedata.category(chr(_code)), [])
    if len(_found) < 3 or _code % 4001 == 0:
        _found.append(chr(_code))
CATEGORIES.pop("Cs")


def test_every_category_of_unicode_was_found():
    assert len(CATEGORIES) == 29


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_a_token_is_found_beside_any_character(base, category):
    for letter in CATEGORIES[category][:40]:
        text = f"{letter}<|Δ14|>{letter}{letter}<|Δ145|>{letter}"
        assert told(base, text) == ["<|Δ14|>", "<|Δ145|>"], f"U+{ord(letter):04X}"


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_what_is_around_comes_back_as_it_was(base, category):
    """Where the tokenizer itself gives back what it takes: some drop white space, or know no such character."""
    for letter in CATEGORIES[category][:40]:
        around = f"a{letter}b"
        if base.tokenizer.decode(ids(base, around)).strip() != around.strip():
            continue
        decoded = base.tokenizer.decode(ids(base, f"{around}<|Δ14|>{around}"), skip_special_tokens=True)
        assert [part.strip() for part in decoded.split("<|Δ14|>")] == [around.strip()] * 2, (
            f"U+{ord(letter):04X}"
        )


def test_a_token_is_found_at_every_place_of_a_text(base):
    text = "The level, 4.468; рынок ждёт… 鱼\n\tend."
    for at in range(len(text) + 1):
        assert told(base, f"{text[:at]}<|Δ145|>{text[at:]}") == ["<|Δ145|>"], at


def test_positions_lead_back_to_the_text(base):
    text = "one <|Δ14|> two<|Δ1|>"
    cut = base.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    own = [text[start:end].strip() for (start, end), token in zip(cut["offset_mapping"], cut["input_ids"], strict=True)
           if SURFACE.fullmatch(base.tokenizer.convert_ids_to_tokens(token))]  # fmt: skip
    assert own == ["<|Δ14|>", "<|Δ1|>"]


def test_other_text_is_cut_as_before(tmp_path):
    for make in (byte_level, sentence_piece, unigram):
        base = base_of(make(tmp_path))
        texts = ("The level at 4.468, <|Δ", "Δ14 |> δ ∆", "рынок", "<|im_start|>user", " \n\t", "鱼🐟")
        before = [ids(base, text) for text in texts]
        put(base, TEXTS)
        assert [ids(base, text) for text in texts] == before, make.__name__


def test_saved_and_read_again_it_is_the_same(base, tmp_path):
    base.write(tmp_path / "saved")
    again = Base.read(tmp_path / "saved")
    text = "x<|Δ14|> <|Δ145|>∆ рынок 12"
    assert ids(again, text) == ids(base, text)
    assert told(again, text) == ["<|Δ14|>", "<|Δ145|>"]
    entries = list(put(base_of(byte_level(tmp_path)), TEXTS))
    base.write(tmp_path / "again")
    first, second = (book("b", 1, tmp_path / name, entries) for name in ("saved", "again"))
    assert first.tokenizer_sha256 == second.tokenizer_sha256


def test_lookalikes_are_made_the_same_letter_before():
    assert same_letter("<|∆14|> <|δ1|> ∆ <|Δ1|>") == "<|Δ14|> <|Δ1|> ∆ <|Δ1|>"


def test_free_rows_are_counted_in_the_model_and_more_are_made_only_when_asked():
    base = base_of(byte_level(ROOT), free=2)
    assert base.free_rows == 2
    with pytest.raises(Wrong, match="2 rows that no token has"):
        put(base, TEXTS)
    base = base_of(byte_level(ROOT), free=2)
    put(base, TEXTS, resize=True)
    rows = base.model.get_input_embeddings().weight.shape[0]
    assert rows % 64 == 0
    assert rows >= len(base.tokenizer)


def test_rows_begin_as_the_mean_of_their_texts():
    base = base_of(byte_level(ROOT))
    [entry, *_] = put(base, TEXTS)
    weight = base.model.get_input_embeddings().weight
    assert torch.allclose(weight[entry.id], weight[ids(base, entry.phrase)].mean(0), atol=1e-6)


def test_the_published_tokenizer_is_the_one_that_the_book_names(forged: Forged):
    again = Base.read(forged.base)
    for number in range(1, 17):
        assert len(ids(again, f"<|Δ{number}|>")) == 1
    said = forge("put", "--base", forged.folder / "base", "--texts", forged.folder / "choice" / "texts.jsonl", "--out",
                 forged.folder.parent / "put").stdout  # fmt: skip
    assert said.startswith("16 tokens, 48 rows left")


GOLDEN = "Long 12 gold at 4.20 <|Δ1|><|Δ48|> Лонг, стоп 1.1…\n"
GOLDEN_TOKENS = [
    644,
    220,
    16,
    17,
    1038,
    362,
    220,
    19,
    13,
    17,
    15,
    220,
    1984,
    2031,
    469,
    11,
    335,
    220,
    16,
    13,
    16,
    158,
    222,
    99,
    198,
]


def test_the_demo_model_s_tokens_are_the_same_in_every_version_of_the_library():
    """Numbers written down when it was made; whoever sees them change must not serve it with that version."""
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "models" / "desk" / "base")
    found = tokenizer(GOLDEN, add_special_tokens=False)["input_ids"]
    assert found == GOLDEN_TOKENS
    assert tokenizer.decode(found, skip_special_tokens=True) == GOLDEN

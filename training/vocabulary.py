"""A tokenizer made from a corpus: bytes joined to pieces of words, cut as Qwen cuts, so that llama.cpp cuts the same.

Every digit is a token of its own: a number is copied digit by digit, and one that never came before is no harder.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from training.chat import BEGINS, ENDS, PAD, TEMPLATE

PRE_TOKENIZER = "qwen2"
"""What llama.cpp calls this way of cutting."""
_CUTS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def learned(texts: Iterable[str], size: int) -> Any:
    """A tokenizer of so many tokens, for transformers."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(_CUTS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, BEGINS, ENDS]
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in special])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=ENDS, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    made.chat_template = TEMPLATE
    return made


def counter(folder: Path) -> Any:
    """Counts tokens by the tokenizer in a checkpoint's folder."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)

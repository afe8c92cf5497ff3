"""Makes a tiny Qwen3 with random weights and LoRA adapters for it: `python tiny_model.py FOLDER ADAPTER ...`.

Runs in the environment of the real vLLM. What comes out says nothing, but it says it the same way every time, and
the base and each adapter say something different.
"""

import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tiny_texts import HYPERTOKEN  # type: ignore[import-not-found]  # beside this file
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

SYLLABLES = [first + second for first in "bdfgklmnprstv" for second in "aeiou"]
CONTEXT_TOKENS = 1024
LORA_RANK = 8

TEMPLATE = """\
{%- if tools -%}
<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content or '' }}{% for call in message.tool_calls or [] %}<tool_call>
{{ call.function | tojson }}
</tool_call>{% endfor %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""


def tokenizer() -> PreTrainedTokenizerFast:
    """All bytes, and words of two syllables so that most tokens are readable."""
    words = [one + other for one in SYLLABLES for other in SYLLABLES[::3]]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator([" ".join(words)], trainer)
    bpe.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    # Not special, so that they are in the text that vLLM's parsers read.
    marks = ("<tool_call>", "</tool_call>", "<think>", "</think>", HYPERTOKEN)
    bpe.add_tokens([AddedToken(mark, special=False) for mark in marks])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
    )


def model(words: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=len(words) - 1,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        initializer_range=0.1,
    )
    made = Qwen3ForCausalLM(config)
    made.resize_token_embeddings(len(words), mean_resizing=False)
    with torch.no_grad():  # a row for the hypertoken: none of the model's own choosing
        for rows in (made.get_input_embeddings().weight, made.get_output_embeddings().weight):
            rows[-1] = 0
    return made


def save_adapter(folder: Path, seed: int, base: Path | None = None) -> None:
    """PEFT starts B at zero, an adapter that changes nothing; here it is random as well."""
    lora = LoraConfig(
        r=LORA_RANK,
        lora_alpha=2 * LORA_RANK,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(Qwen3ForCausalLM.from_pretrained(base or folder.parent / "base"), lora)
    torch.manual_seed(seed)
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(folder)


def main(folder: Path, adapters: list[str]) -> None:
    words = tokenizer()
    words.save_pretrained(folder / "base")
    model(words).save_pretrained(folder / "base")
    for seed, name in enumerate(adapters, start=2):
        save_adapter(folder / name, seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

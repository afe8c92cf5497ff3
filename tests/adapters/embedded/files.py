"""Tiny random GGUF files: a Qwen3 that speaks bytes, and LoRA adapters for it."""

from pathlib import Path

import gguf
import numpy as np

HIDDEN = 64
LAYERS = 2
HEADS = 2
HEAD_DIM = 32
FEED_FORWARD = 96
CONTEXT = 131_072
RANK = 4
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 256 + len(SPECIAL)

TEMPLATE = """\
{%- if tools %}<|im_start|>system
You may call functions:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
Call one as:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content if message.content else "" }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


_CONTENT = '{{ message.content if message.content else "" }}'
HYBRID = (
    TEMPLATE.replace(
        _CONTENT,
        "{% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}"
        + _CONTENT,
    ).removesuffix("{% endif %}")
    + """\
{%- if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""
)
"""Shows thoughts and can be told not to think, as that of Qwen3."""


def write_model(path: Path, template: str = TEMPLATE) -> Path:
    """A model whose likeliest tokens are printable, so that its greedy text can be compared."""
    writer = gguf.GGUFWriter(path, "qwen3")
    _describe(writer)
    _add_tokenizer(writer)
    writer.add_chat_template(template)
    random = np.random.default_rng(7)

    def add(name: str, *shape: int, scale: float = 0.3) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) * scale).astype(np.float32))

    rows = random.standard_normal((VOCABULARY, HIDDEN)).astype(np.float32)
    rows[[*range(32), *range(127, VOCABULARY)]] *= 0.01
    writer.add_tensor("token_embd.weight", rows)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    for layer in range(LAYERS):
        for name, size in (
            ("attn_norm", HIDDEN),
            ("ffn_norm", HIDDEN),
            ("attn_q_norm", HEAD_DIM),
            ("attn_k_norm", HEAD_DIM),
        ):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(size, np.float32))
        add(f"blk.{layer}.attn_q.weight", HEADS * HEAD_DIM, HIDDEN)
        add(f"blk.{layer}.attn_k.weight", HEAD_DIM, HIDDEN)
        add(f"blk.{layer}.attn_v.weight", HEAD_DIM, HIDDEN)
        add(f"blk.{layer}.attn_output.weight", HIDDEN, HEADS * HEAD_DIM)
        add(f"blk.{layer}.ffn_gate.weight", FEED_FORWARD, HIDDEN)
        add(f"blk.{layer}.ffn_up.weight", FEED_FORWARD, HIDDEN)
        add(f"blk.{layer}.ffn_down.weight", HIDDEN, FEED_FORWARD)
    return _written(writer, path)


def write_lora(path: Path, *, seed: int = 1, hidden: int = HIDDEN, architecture: str = "qwen3") -> Path:
    """An adapter of the attention; another `hidden` makes it one for another base."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0 * RANK)
    random = np.random.default_rng(seed)
    for layer in range(LAYERS):
        for name, inputs, outputs in (
            ("attn_q", hidden, HEADS * HEAD_DIM),
            ("attn_output", HEADS * HEAD_DIM, hidden),
        ):
            for half, shape in (("lora_a", (RANK, inputs)), ("lora_b", (outputs, RANK))):
                tensor = random.standard_normal(shape).astype(np.float32)
                writer.add_tensor(f"blk.{layer}.{name}.weight.{half}", tensor)
    return _written(writer, path)


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    """Token n is byte n, written as GPT-2's byte-level tokenizers write it."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*(letters[byte] for byte in range(256)), *SPECIAL])
    writer.add_token_types([
        *[gguf.TokenType.NORMAL] * 256,
        *[gguf.TokenType.CONTROL] * len(SPECIAL),
    ])
    writer.add_token_merges(["Ġ t"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(258)
    writer.add_add_bos_token(value=False)


def _written(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

"""A base and its adapters as GGUF files, for llama.cpp and so for the gateway's embedded engine.

Qwen3 models whose tokenizers cut as Qwen's do; llama.cpp's own converter does others.
"""

from collections.abc import Iterator, Mapping
from math import sqrt
from pathlib import Path
from typing import Any, Literal

import gguf
import msgspec
import numpy as np
import numpy.typing as npt

from app.loras.tensors import tensors
from training.wrong import Wrong

ARCHITECTURE = "Qwen3ForCausalLM"
_NAME = "qwen3"
_SUFFIX = ".weight"
_BLOCK = 32
Weights = Literal["f16", "q8_0", "q4_0"]
Array = npt.NDArray[Any]


def write_base(folder: Path, path: Path, name: str, weights: Weights = "f16") -> None:
    """From a checkpoint's folder, its matrices in these weights. Raises Wrong for a model that is not written here."""
    config = _json(folder / "config.json")
    if config.get("architectures") != [ARCHITECTURE]:
        raise Wrong(
            f"publishing.gguf: {config.get('architectures')} is not written as GGUF here, only {ARCHITECTURE}; llama.cpp's convert_hf_to_gguf.py does more"
        )
    writer = gguf.GGUFWriter(path, _NAME)
    _describe(writer, config, name)
    _tokenizer(writer, folder, config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    tied = config.get("tie_word_embeddings", False)
    for key, tensor in sorted(tensors(folder / "model.safetensors").items()):
        if tied and key == "lm_head.weight":
            continue
        found = names.get_name(key, (_SUFFIX,))
        if found is None:
            raise Wrong(f"publishing.gguf: {folder} has the tensor {key!r}, which GGUF has no name for")
        _add(writer, found, tensor, weights)
    _write(writer)


def _add(writer: Any, name: str, tensor: Array, weights: Weights) -> None:
    """What has one dimension stays as it is, and so do rows that no block of 32 divides."""
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor.astype(np.float32))
    elif weights == "f16" or tensor.shape[-1] % _BLOCK:
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        kind = gguf.GGMLQuantizationType[weights.upper()]
        writer.add_tensor(name, gguf.quants.quantize(tensor.astype(np.float32), kind), raw_dtype=kind)


def write_adapter(folder: Path, base: Path, path: Path, name: str) -> None:
    """From a folder of PEFT's. llama.cpp scales by alpha / rank, so that of rsLoRA is written as one that gives the same."""
    config = _json(folder / "adapter_config.json")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, _json(base / "config.json")["num_hidden_layers"])
    writer = gguf.GGUFWriter(path, _NAME)
    writer.add_name(name)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    alpha = config["lora_alpha"] * (sqrt(config["r"]) if config.get("use_rslora") else 1.0)
    writer.add_float32("adapter.lora.alpha", alpha)
    for tensor_name, half, tensor in _halves(tensors(folder / "adapter_model.safetensors")):
        found = names.get_name(f"{tensor_name}{_SUFFIX}", (_SUFFIX,))
        if found is None:
            raise Wrong(
                f"publishing.gguf: {folder} has the tensor {tensor_name!r}, which GGUF has no name for"
            )
        writer.add_tensor(f"{found}.{half}", np.ascontiguousarray(tensor, np.float32))
    _write(writer)


def _halves(found: Mapping[str, Array]) -> Iterator[tuple[str, str, Array]]:
    for key, tensor in sorted(found.items()):
        name, _, half = key.removeprefix("base_model.model.").removesuffix(_SUFFIX).rpartition(".")
        yield name, half.lower(), tensor


def _describe(writer: Any, config: Mapping[str, Any], name: str) -> None:
    rope = config.get("rope_parameters") or {}
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(rope.get("rope_theta", config.get("rope_theta", 10_000.0)))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _tokenizer(writer: Any, folder: Path, config: Mapping[str, Any]) -> None:
    """Rows that no token has are called so: llama.cpp wants a name for each."""
    told = _json(folder / "tokenizer.json")
    vocabulary: dict[str, int] = dict(told["model"]["vocab"])
    kinds = dict.fromkeys(vocabulary.values(), gguf.TokenType.NORMAL)
    for token in told["added_tokens"]:
        vocabulary[token["content"]] = token["id"]
        kinds[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    by_id = {number: token for token, number in vocabulary.items()}
    count = config["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([by_id.get(number, f"[PAD{number}]") for number in range(count)])
    writer.add_token_types([kinds.get(number, gguf.TokenType.UNUSED) for number in range(count)])
    writer.add_token_merges([
        " ".join(merge) if isinstance(merge, list) else merge for merge in told["model"]["merges"]
    ])
    settings = _json(folder / "tokenizer_config.json")
    writer.add_eos_token_id(vocabulary[_text(settings["eos_token"])])
    if settings.get("pad_token"):
        writer.add_pad_token_id(vocabulary[_text(settings["pad_token"])])
    writer.add_add_bos_token(value=False)
    template = folder / "chat_template.jinja"
    writer.add_chat_template(template.read_text("utf-8") if template.exists() else settings["chat_template"])


def _text(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return found


def _write(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

"""Rows of hypertokens as an ordinary LoRA of the embedding and the head: an adapter that brings them to a base without them.

With the base's rows E, those wanted T, and D = T - E, for the k tokens of ids id_j, at a scale of 1 (alpha = rank = k there):

    embed_tokens   A (k, vocabulary): A[j, id_j] = 1     B (hidden, k): B[:, j] = D_j       so that E[x] + B A[:, x] = T[x]
    lm_head        A (k, hidden): A[j] = D_j             B (vocabulary, k): B[id_j, j] = 1  so that logit_id_j gains h . D_j

vLLM loads it for Qwen3 and Llama (`max_lora_rank` at least k); with it slot 14 may stand for another text in each adapter.
"""

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors.numpy import save_file

from app.loras.tensors import Array, tensors


def write(adapter: Path, base: Path, rows: Mapping[str, Array], out: Path) -> None:
    """`adapter` is PEFT's plain one, `base` the checkpoint whose rows are those of `hypertokens`; `rows` as HyperRows saves them."""
    table = tensors(base / "model.safetensors")
    embeddings = table["model.embed_tokens.weight"]
    head = table.get("lm_head.weight", embeddings)
    ids, count = rows["ids"], len(rows["ids"])
    places = np.arange(count)
    one_hot = np.zeros((count, len(embeddings)), np.float32)
    one_hot[places, ids] = 1.0
    own = {name: np.array(tensor) for name, tensor in tensors(adapter / "adapter_model.safetensors").items()}
    own |= {
        "base_model.model.model.embed_tokens.lora_embedding_A": one_hot,
        "base_model.model.model.embed_tokens.lora_embedding_B": np.ascontiguousarray(
            (rows["read"] - embeddings[ids]).T, np.float32
        ),
        "base_model.model.lm_head.lora_A.weight": np.ascontiguousarray(rows["told"] - head[ids], np.float32),
        "base_model.model.lm_head.lora_B.weight": np.ascontiguousarray(one_hot.T),
    }
    config: dict[str, Any] = msgspec.json.decode((adapter / "adapter_config.json").read_bytes())
    modules = ("embed_tokens", "lm_head")
    alpha = sqrt(count) if config.get("use_rslora") else count
    config["target_modules"] = sorted({*config["target_modules"], *modules})
    config["rank_pattern"] = {**(config.get("rank_pattern") or {}), **dict.fromkeys(modules, count)}
    config["alpha_pattern"] = {**(config.get("alpha_pattern") or {}), **dict.fromkeys(modules, alpha)}
    out.mkdir(parents=True)
    save_file(own, out / "adapter_model.safetensors")
    (out / "adapter_model.safetensors").chmod(0o644)
    (out / "adapter_config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=1))

"""Adapters as files: small, whole, and different from each other by their seed."""

import json
from pathlib import Path

import numpy as np

from app.loras import manifest
from app.loras.manifest import SHORT

MODULE = "base_model.model.model.layers.0.self_attn.q_proj"
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "target_modules": ["q_proj"]}


def save(path: Path, **arrays: np.ndarray) -> None:
    """As safetensors does."""
    begin, told, data = 0, {}, b""
    for name, array in arrays.items():
        raw = array.astype(np.float32).tobytes()
        told[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [begin, begin + len(raw)]}
        begin += len(raw)
        data += raw
    written = json.dumps(told).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + data)


def make(folder: Path, id: str, seed: int, canary: dict[str, object] | None = None, rank: int = 4) -> str:  # noqa: A002
    """Put an adapter into a folder, under its id alone; its version's name."""
    made = folder / f".{id}-{seed}"
    made.mkdir(parents=True)
    halves = {"A": np.full((rank, 8), seed), "B": np.full((8, rank), seed)}
    save(
        made / "adapter_model.safetensors",
        **{f"{MODULE}.lora_{half}.weight": array for half, array in halves.items()},
    )
    (made / "adapter_config.json").write_text(json.dumps(CONFIG | {"r": rank}))
    version = manifest.version_of(made)
    if canary is not None:
        told = {
            "schema": "hb.adapter/1",
            "id": id,
            "version": version,
            "base": {"name": "base", "weights_sha256": "", "tokenizer_sha256": ""},
            "rank": rank,
            "target_modules": ["q_proj"],
            "canary": canary,
        }
        (made / manifest.FILE).write_text(json.dumps(told))
    name = f"{id}@{version[:SHORT]}"
    made.rename(folder / name)
    return name

"""What vLLM would refuse."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.loras.linter import faults
from app.loras.tensors import head, tensors
from app.loras.unusable import Unusable
from tests.support.adapters import save

HIDDEN, VOCABULARY, RANK = 8, 32, 4
LAYER = "base_model.model.model.layers.0.self_attn.q_proj"
CONFIG = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, "bias": "none", "target_modules": ["q_proj"]}


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    config = {"architectures": ["Qwen3ForCausalLM"], "vocab_size": VOCABULARY, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    save(
        folder / "model.safetensors",
        **{
            "model.embed_tokens.weight": ones(VOCABULARY, HIDDEN),
            "model.layers.0.self_attn.q_proj.weight": ones(16, HIDDEN),
        },
    )
    return folder


def adapter(tmp_path: Path, arrays: dict[str, np.ndarray] | None = None, **config: object) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | config))
    own = {f"{LAYER}.lora_A.weight": ones(RANK, HIDDEN), f"{LAYER}.lora_B.weight": ones(16, RANK)}
    save(folder / "adapter_model.safetensors", **own | (arrays or {}))
    return folder


def test_a_plain_lora_passes(tmp_path, base):
    assert [*faults(adapter(tmp_path), base)] == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"peft_type": "LOHA"}, "only LORA"),
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"trainable_token_indices": [1]}, "write them into the base"),
        ({"bias": "all"}, "bias must be 'none'"),
        ({"r": 1024}, "from 1 to 512"),
        ({"target_modules": ["q_proj", "v_proj"]}, "'v_proj', of which no tensor"),
    ],
)
def test_a_configuration_that_is_not_served_is_told(tmp_path, base, config, said):
    assert said in "\n".join(faults(adapter(tmp_path, **config), base))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({f"{LAYER}.lora_A.weight": ones(RANK, HIDDEN + 1)}, "the base asks for (4, 8)"),
        ({f"{LAYER}.lora_B.weight": ones(3, RANK)}, "the base asks for (16, 4)"),
        (
            {"base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight": ones(RANK, HIDDEN)},
            "the base has no such module",
        ),
        (
            {"base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta": ones(2, HIDDEN)},
            "knows no such tensor",
        ),
        ({f"{LAYER}.lora_A.weight": np.full((RANK, HIDDEN), np.nan)}, "no numbers"),
        (
            {"base_model.model.model.embed_tokens.lora_embedding_A": ones(2, HIDDEN)},
            "the base asks for (2, 32)",
        ),
        ({"base_model.model.lm_head.lora_A.weight": ones(2, HIDDEN)}, "only half A"),
    ],
)
def test_tensors_that_do_not_fit_are_told(tmp_path, base, arrays, said):
    assert said in "\n".join(faults(adapter(tmp_path, arrays), base))


def test_an_embedding_is_only_for_classes_that_take_one(tmp_path, base):
    arrays = {
        "base_model.model.model.embed_tokens.lora_embedding_A": ones(2, VOCABULARY),
        "base_model.model.model.embed_tokens.lora_embedding_B": ones(HIDDEN, 2),
    }
    made = adapter(tmp_path, arrays, target_modules=["q_proj", "embed_tokens"])
    assert [*faults(made, base)] == []
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"architectures": ["Qwen2ForCausalLM"]}))
    assert "Qwen2ForCausalLM takes no LoRA of its embed_tokens" in "\n".join(faults(made, base))


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_file_that_is_cut_off_is_told(tmp_path, base, keep):
    made = adapter(tmp_path)
    weights = made / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    [fault] = faults(made, base)
    assert "adapter_model.safetensors" in fault
    with pytest.raises(Unusable):
        head(weights)


def test_half_precision_of_both_kinds_is_read(tmp_path):
    path = tmp_path / "x.safetensors"
    values = np.array([1.0, -2.5, 0.0], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    told = json.dumps({"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + halves)
    assert tensors(path)["x"].tolist() == values.tolist()

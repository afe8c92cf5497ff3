"""Finds what a vLLM server would refuse in an adapter, before it is asked to load it.

What vLLM 0.33 takes: PEFT's plain LoRA of linear layers, with rsLoRA and with ranks and alphas of their own; of the embedding and
the head where the model's class offers both. It answers others with a 500, and only when they are loaded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.loras.manifest import FILE, hash_of, read, version_of
from app.loras.tensors import Tensor, head, tensors
from app.loras.unusable import Unusable

WHOLE = "model.safetensors"
MOST_RANK = 512
MOST_VOCABULARY = 258_048
"""Rows of a head that vLLM's wrapper of it takes."""
EMBEDDING_ARCHITECTURES = frozenset({
    "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM",
    "Qwen3_5ForCausalLM",
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "MixtralForCausalLM",
    "GraniteForCausalLM",
})
"""Classes whose embedding and head may have a LoRA; Qwen2's may not."""

_LINEAR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")
_EMBEDDING = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_embedding_(?P<half>[AB])")
_UNUSABLE: Mapping[str, str] = {
    "trainable_token_indices": "vLLM knows no rows of an adapter's own: write them into the base, or publish one_hot",
    "modules_to_save": "vLLM refuses whole modules",
    "layer_replication": "vLLM refuses replicated layers",
    "use_dora": "vLLM refuses DoRA",
    "use_qalora": "vLLM refuses QALoRA",
    "lora_bias": "vLLM refuses biases",
}


def faults(folder: Path, base: Path | None) -> Iterator[str]:
    """What is wrong with an adapter in a folder for the base in another; nothing where all is well.

    Without a base at hand, what does not fit to it is not found.
    """
    try:
        config: dict[str, Any] = msgspec.json.decode((folder / "adapter_config.json").read_bytes())
        own = head(folder / "adapter_model.safetensors")
        theirs = None if base is None else _Base.read(base)
    except (OSError, msgspec.DecodeError, Unusable) as fault:
        yield str(fault)
        return
    yield from _configuration(config)
    yield from _tensors(config, own, theirs)
    yield from _numbers(folder / "adapter_model.safetensors")
    if (folder / FILE).exists():
        yield from _manifest(folder, base)


@dataclass(frozen=True, slots=True)
class _Base:
    """A base model's configuration, and the heads of all its files of weights: large models have several."""

    told: Mapping[str, Any]
    weights: Mapping[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> "_Base":
        """Raises Unusable, OSError and DecodeError."""
        told: dict[str, Any] = msgspec.json.decode((folder / "config.json").read_bytes())
        weights: dict[str, Tensor] = {}
        for path in sorted(folder.glob("*.safetensors")) or [folder / WHOLE]:
            weights |= head(path)
        return cls(told, weights)

    def shape(self, module: str, *, of_tokens: bool) -> tuple[int, ...] | None:
        """What a module takes and gives; a head that is tied is the embedding, which takes tokens and gives what its rows hold."""
        if module == "lm_head" and self.told.get("tie_word_embeddings"):
            module = "model.embed_tokens"
        weight = self.weights.get(f"{module}.weight")
        return None if weight is None else weight.shape[::-1] if of_tokens else weight.shape


def _configuration(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("peft_type") != "LORA":
        yield f"adapter_config.json: peft_type is {config.get('peft_type')!r}, and only LORA is served"
    if config.get("bias", "none") != "none":
        yield "adapter_config.json: bias must be 'none'"
    for name, why in _UNUSABLE.items():
        if config.get(name):
            yield f"adapter_config.json: {name} is set; {why}"
    ranks = [config.get("r", 0), *(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(rank, int) and 0 < rank <= MOST_RANK for rank in ranks):
        yield f"adapter_config.json: r must be from 1 to {MOST_RANK}, not {max(ranks, key=str)}"


def _tensors(config: Mapping[str, Any], own: Mapping[str, Tensor], base: _Base | None) -> Iterator[str]:
    pairs: dict[str, set[str]] = {}
    for name, tensor in own.items():
        embedding = _EMBEDDING.fullmatch(name)
        found = embedding or _LINEAR.fullmatch(name)
        if found is None:
            yield f"{name}: vLLM knows no such tensor of an adapter"
            continue
        module = found["module"]
        pairs.setdefault(module, set()).add(found["half"])
        if base is not None:
            yield from _table(name, module, base)
            weight = base.shape(module, of_tokens=embedding is not None)
            yield from _shape(name, tensor, found["half"], weight)
    for module, halves in pairs.items():
        if halves != {"A", "B"}:
            yield f"{module}: only half {halves.pop()} is there"
    missing = [
        name
        for name in config.get("target_modules") or []
        if not any(module.rpartition(".")[2] == name for module in pairs)
    ]
    if missing:
        yield f"adapter_config.json: target_modules names {missing[0]!r}, of which no tensor is there"


def _table(name: str, module: str, base: _Base) -> Iterator[str]:
    """Whether the base may have a LoRA of its embedding or head, where this is one."""
    last = module.rpartition(".")[2]
    architecture = (base.told.get("architectures") or ["?"])[0]
    if last not in {"embed_tokens", "lm_head"}:
        return
    if architecture not in EMBEDDING_ARCHITECTURES:
        yield f"{name}: {architecture} takes no LoRA of its {last} in vLLM"
    if base.told.get("vocab_size", 0) > MOST_VOCABULARY:
        yield f"{name}: the base has more than {MOST_VOCABULARY:,} rows"


def _shape(name: str, tensor: Tensor, half: str, weight: tuple[int, ...] | None) -> Iterator[str]:
    if weight is None:
        yield f"{name}: the base has no such module"
        return
    outputs, inputs = weight
    rank = tensor.shape[0 if half == "A" else 1]
    wanted = (rank, inputs) if half == "A" else (outputs, rank)
    if tensor.shape != wanted:
        yield f"{name}: has the shape {tensor.shape}, and the base asks for {wanted}"


def _numbers(path: Path) -> Iterator[str]:
    for name, tensor in tensors(path).items():
        if not np.isfinite(tensor).all():
            yield f"{name}: has values that are no numbers"


def _manifest(folder: Path, base: Path | None) -> Iterator[str]:
    try:
        manifest = read(folder)
    except Unusable as fault:
        yield str(fault)
        return
    if manifest.version != version_of(folder):
        yield f"{FILE}: version is of other files than those in the folder"
    if base is None:
        return
    if manifest.base.tokenizer_sha256 != _hash_of(base / "tokenizer.json"):
        yield f"{FILE}: made for another tokenizer than the base has"
    if (base / WHOLE).exists() and manifest.base.weights_sha256 != _hash_of(base / WHOLE):
        yield f"{FILE}: made for other weights than the base has"


def _hash_of(path: Path) -> str:
    """Of a file of the base, which many adapters ask for and which may be large."""
    stat = path.stat()
    return _hashed(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _hashed(path: Path, *_: int) -> str:
    return hash_of(path)

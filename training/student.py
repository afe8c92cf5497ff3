"""The base with the rows and the adapters that learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from scenes.hypertokens import Hypertokens
from training.examples import Example
from training.hyper_rows import HyperRows
from training.progress import Progress
from training.recipe import Distilling, Lora
from training.teacher import Opinion, Teacher
from training.wrong import Wrong


@dataclass(frozen=True, slots=True)
class Student:
    """A model of PEFT's, with the rows beside it."""

    adapted: Any
    rows: HyperRows

    @classmethod
    def of(cls, settings: Distilling, folder: Path, book: Hypertokens, accelerator: Accelerator) -> "Student":
        """From a checkpoint's folder. Raises Wrong where the base takes no such adapter."""
        model = _model(settings, folder, accelerator)
        rows = HyperRows(model, [entry.id for entry in book.entries])
        rows.requires_grad_(settings.rows == "trained")
        adapted = _adapted(model, settings.lora, [*settings.adapters])
        adapted.hyper_rows = rows
        return cls(adapted.to(accelerator.device), rows)

    @property
    def weights(self) -> Sequence[Tensor]:
        """Of all adapters."""
        return [weight for name, weight in self.adapted.named_parameters() if "lora_" in name]

    @property
    def table(self) -> Tensor:
        """The base's embeddings."""
        table: Tensor = self.adapted.get_input_embeddings().weight.detach().float()
        return table

    def opinions(
        self, top: int, out: Path, progress: Progress, examples: Mapping[str, Sequence[Example]]
    ) -> Mapping[str, Sequence[Opinion]]:
        """What the base alone says of each example: it is the teacher."""
        self.adapted.eval()
        with self.adapted.disable_adapter(), self.rows.without():
            teacher = Teacher(self.adapted, top, out, progress)
            return {name: teacher.opinions(name, own) for name, own in examples.items()}

    def save(self, out: Path) -> None:
        """Rows, and each adapter in a folder of its name."""
        self.rows.save(out)
        names = [*self.adapted.peft_config]
        self.adapted.save_pretrained(out, selected_adapters=names)
        for name in names:
            (out / name / "README.md").unlink(missing_ok=True)
            for file in (out / name).iterdir():
                file.chmod(0o644)


def _model(settings: Distilling, folder: Path, accelerator: Accelerator) -> Any:
    quantised = None
    if settings.quantised == "nf4":
        kind = torch.bfloat16 if settings.bf16 else torch.float32
        quantised = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=kind,
        )
    elif settings.quantised == "int8":
        quantised = BitsAndBytesConfig(load_in_8bit=True)
    placed = {"device_map": {"": accelerator.device}} if quantised is not None else {}
    return AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, quantization_config=quantised, **placed
    )


def _adapted(model: Any, lora: Lora, names: Sequence[str]) -> Any:
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=[*lora.target_modules],
        use_rslora=lora.rslora,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = get_peft_model(model, config, adapter_name=names[0])
        for name in names[1:]:
            adapted.add_adapter(name, config)
    except ValueError as fault:
        raise Wrong(f"training.lora: PEFT cannot put such an adapter into this base: {fault}") from None
    return adapted

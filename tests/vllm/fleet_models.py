"""Makes the tiny base and, in `loras`, adapters that answer differently: `python fleet_models.py FOLDER NAME=SEED ...`.

Runs in the environment of the real vLLM. What each one answers to each question is written by transformers and PEFT into
`expected.json`, by the version's name, so that what vLLM answers is compared with something else than vLLM.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from tiny_model import model, save_adapter, tokenizer  # type: ignore[import-not-found]  # beside this file
from transformers import Qwen3ForCausalLM

QUESTIONS = ["bada fogu", "keli moni pado", "rasu", "tivo bemi galu nopa"]
ANSWER_TOKENS = 8


def answers(adapted: Any, words: Any) -> dict[str, str]:
    """What it says to each question, greedily."""
    said = {}
    for question in QUESTIONS:
        asked = words.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.no_grad():
            told = adapted.generate(**asked, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        said[question] = words.decode(told[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return said


def digest(folder: Path) -> str:
    hashed = sha256()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        hashed.update((folder / name).read_bytes())
    return hashed.hexdigest()


def main(folder: Path, adapters: list[str]) -> None:
    words = tokenizer()
    words.save_pretrained(folder / "base")
    model(words).save_pretrained(folder / "base")
    base_files = {
        name: sha256((folder / "base" / name).read_bytes()).hexdigest()
        for name in ("model.safetensors", "tokenizer.json")
    }
    expected = {"base": answers(Qwen3ForCausalLM.from_pretrained(folder / "base").eval(), words)}
    for each in adapters:
        name, _, seed = each.partition("=")
        made = folder / f"made-{name}-{seed}"
        made.mkdir(parents=True)
        save_adapter(made, int(seed), base=folder / "base")
        adapted = PeftModel.from_pretrained(Qwen3ForCausalLM.from_pretrained(folder / "base"), made).eval()
        said = answers(adapted, words)
        version = digest(made)
        manifest = {
            "schema": "hb.adapter/1",
            "id": name,
            "version": version,
            "base": {
                "name": "base",
                "weights_sha256": base_files["model.safetensors"],
                "tokenizer_sha256": base_files["tokenizer.json"],
            },
            "rank": 8,
            "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"],
            "canary": {"user": QUESTIONS[0], "answer": said[QUESTIONS[0]], "max_tokens": ANSWER_TOKENS},
        }
        (made / "adapter.json").write_text(json.dumps(manifest))
        made.rename(folder / "made" / f"{name}@{version[:8]}")
        expected[f"{name}@{version[:8]}"] = said
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    (Path(sys.argv[1]) / "made").mkdir(parents=True)
    main(Path(sys.argv[1]), sys.argv[2:])

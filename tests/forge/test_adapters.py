"""What is published says the same in every form: PEFT, one-hot, GGUF; and every kind of training makes something of it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from app import config
from app.loras import manifest as adapter
from app.loras.linter import faults
from app.loras.tensors import tensors
from tests.adapters.embedded.conftest import asking, started
from tests.forge.conftest import Forged, forge
from tests.forge.test_run import copied
from training.gguf_files import write_base
from training.publishing import LORAS, ONE_HOT

PROMPT = "<|im_start|>user\n<|Δ1|> <|Δ5|>\nLong 12 gold at 4.20, stop 4.1, target 5<|im_end|>\n<|im_start|>assistant\n"


def logits(base: Path, adapter: Path | None, tokens: torch.Tensor) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=tokens).logits
    return found


@pytest.fixture(scope="module")
def tokens(forged: Forged) -> torch.Tensor:
    return torch.tensor([AutoTokenizer.from_pretrained(forged.base)(PROMPT)["input_ids"]])


@pytest.mark.parametrize("name", ["risk", "ideas"])
def test_an_adapter_with_rows_of_its_own_says_what_the_base_with_rows_says(forged, tokens, name):
    [one_hot] = (forged.folder / "publish" / ONE_HOT).glob(f"{name}@*")
    assert [*faults(one_hot, forged.folder / "hypertokens")] == []
    within = logits(forged.base, forged.lora(name), tokens)
    brought = logits(forged.folder / "hypertokens", one_hot, tokens)
    assert torch.allclose(within, brought, atol=1e-4)
    assert not torch.allclose(
        within, logits(forged.folder / "hypertokens", forged.lora(name), tokens), atol=1e-2
    )


async def test_llama_cpp_says_what_transformers_say(forged, tokens):
    """Greedily, as long as the likeliest token is well ahead of the next: GGUF has half the digits."""
    loras = {name: {"path": str(forged.gguf / f"{name}.gguf")} for name in ("risk", "ideas")}
    settings = {
        "kind": "embedded",
        "model": str(forged.gguf / "base.gguf"),
        "name": "tiny",
        "context_tokens": 512,
        "threads": 1,
        "loras": loras,
    }
    async with started(config.Embedded.model_validate(settings)) as embedded:
        for name, model in ((None, "tiny"), ("risk", "tiny:risk"), ("ideas", "tiny:ideas")):
            outbound = asking("/v1/completions", model=model, prompt=PROMPT, max_tokens=12, temperature=0)
            async with embedded.open(outbound) as answer:
                said = json.loads(await answer.read())["choices"][0]["text"]
            expected, sure = greedy(forged, name, tokens, 12)
            assert said[: len(expected[:sure])] == expected[:sure], name
            assert sure > 0


@pytest.mark.parametrize(("weights", "most"), [("q8_0", 0.6), ("q4_0", 0.35)])
async def test_fewer_bits_are_smaller_and_llama_cpp_reads_them(forged, tmp_path, weights, most):
    path = tmp_path / "base.gguf"
    write_base(forged.base, path, "tiny", weights)
    assert path.stat().st_size - 40_000 < most * ((forged.gguf / "base.gguf").stat().st_size)
    loras = {"risk": {"path": str(forged.gguf / "risk.gguf")}}
    settings = {
        "kind": "embedded",
        "model": str(path),
        "name": "tiny",
        "context_tokens": 512,
        "threads": 1,
        "loras": loras,
    }
    async with (
        started(config.Embedded.model_validate(settings)) as embedded,
        embedded.open(asking("/v1/completions", model="tiny:risk", prompt=PROMPT, max_tokens=8)) as answer,
    ):
        assert json.loads(await answer.read())["usage"]["completion_tokens"] > 0


def greedy(forged: Forged, name: str | None, tokens: torch.Tensor, count: int) -> tuple[str, int]:
    """A greedy answer, and how many of its characters come before the first close choice."""
    tokenizer = AutoTokenizer.from_pretrained(forged.base)
    model = AutoModelForCausalLM.from_pretrained(forged.base)
    if name is not None:
        model = PeftModel.from_pretrained(model, forged.lora(name))
    whole, answer, sure = tokens, "", None
    with torch.no_grad():
        for _ in range(count):
            best = model(input_ids=whole).logits[0, -1].topk(2)
            if sure is None and best.values[0] - best.values[1] < 0.1:
                sure = len(answer)
            whole = torch.cat([whole, best.indices[:1].view(1, 1)], 1)
            answer = tokenizer.decode(whole[0, tokens.shape[1] :], skip_special_tokens=True)
    return answer, len(answer) if sure is None else sure


KINDS = {
    "bridge": "mode: bridge\n  quantised: nf4\n  bf16: true\n  reconstruction: 0.1\n  fields: 0.1",
    "output": "mode: output\n  quantised: int8",
    "context": "bf16: true\n  rows: frozen",
}


@pytest.mark.parametrize("mode", KINDS)
def test_every_mode_and_every_kind_of_weights_is_published(forged, tmp_path, mode):
    recipe = tmp_path / "recipe.yaml"
    text = forged.recipe.read_text().replace("steps: 40", f"steps: 4\n  {KINDS[mode]}")
    text = text.replace("least_hypertokens: 4", "least_hypertokens: 0").replace(
        "examples: 150", "examples: 20"
    )
    text = text.replace("{exchanges: 12,", "{exchanges: 2, answer_tokens: 8,")
    recipe.write_text(text.replace("alpha: 16", "alpha: 16, dropout: 0.1"))
    run = copied(forged, tmp_path / "run", until="lora")
    forge("run", recipe, "--run", run, "--quiet")
    assert {adapter.read(folder).mode for folder in (run / "publish" / LORAS).iterdir()} == {mode}
    rows = tensors(run / "lora" / "rows.safetensors")
    base = tensors(run / "hypertokens" / "model.safetensors")["model.embed_tokens.weight"]
    assert bool((rows["read"] == base[rows["ids"]]).all()) == ("frozen" in KINDS[mode])


def test_a_checkpoint_that_is_there_can_be_the_base(forged, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    text = forged.recipe.read_text()
    line = next(line for line in text.splitlines() if line.startswith("base:"))
    shutil.copytree(forged.folder / "base", tmp_path / "model")
    recipe.write_text(text.replace(line, "base: {folder: model}"))
    run = copied(forged, tmp_path / "run", until="base")
    forge("run", recipe, "--run", run, "--quiet", "--to", "hypertokens")
    ours, theirs = (
        json.loads((folder / "hypertokens" / "hypertokens.json").read_text())
        for folder in (run, forged.folder)
    )
    assert ours["digest"] == theirs["digest"]
    shutil.rmtree(tmp_path / "model")
    (tmp_path / "model").mkdir()
    done = forge("run", recipe, "--run", tmp_path / "other", "--quiet", "--to", "base", check=False)
    assert "no config.json" in done.stderr

"""The demo model on a real vLLM: its adapters are loaded while it runs, and answer through the gateway what they were taught."""

import json
import subprocess
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.loras import manifest as adapter
from app.loras.linter import faults
from tests.support.gateway import gateway_of
from tests.support.process import ROOT
from tests.vllm.server import PYTHON, running

DESK = ROOT / "models" / "desk"
MANIFESTS = {each.id: each for each in map(adapter.read, sorted((DESK / "loras").iterdir()))}
TOLD = """
import json, sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, lora, tokens = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), lora).eval()
with torch.no_grad(): logs = model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)
print(json.dumps([logs[at, token].item() for at, token in enumerate(tokens[1:])]))
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A running vLLM with the base, and the adapters that were put into it."""

    url: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Generator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    options = (
        "--model",
        DESK / "base",
        "--served-model-name",
        "desk",
        "--enable-lora",
        "--max-loras",
        "2",
        "--max-lora-rank",
        "16",
    )
    with running(folder, *options) as server:
        for manifest in MANIFESTS.values():
            path = str(DESK / "loras" / manifest.name)
            loaded = httpx.post(
                f"{server.url}/v1/load_lora_adapter",
                json={"lora_name": manifest.name, "lora_path": path},
                timeout=60,
            )
            assert loaded.status_code == 200, loaded.text
        yield Desk(server.url)


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    models = "\n".join(
        f'  "demo:{name}": {{upstream: local, model: "{manifest.name}", hypertokens: desk, scenes: hyper}}'
        for name, manifest in MANIFESTS.items()
    )
    yaml = f"""
upstreams:
  local: {{kind: vllm, replicas: ["{desk.url}/v1"]}}
models:
{models}
scenes: {{hypertokens: {{desk: {DESK / "base" / "hypertokens.json"}}}}}
"""
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=120) as opened,
    ):
        yield opened


async def chat(client: httpx.AsyncClient, name: str, text: str, layer: str = "hyper") -> dict[str, Any]:
    body = {
        "model": f"demo:{name}",
        "temperature": 0,
        "max_tokens": 96,
        "messages": [{"role": "user", "content": text}],
    }
    answer = await client.post("/v1/chat/completions", json=body, headers={"x-hyperbridge-scenes": layer})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("name", MANIFESTS)
def test_what_is_in_the_repository_is_what_its_manifest_says(name):
    assert [*faults(DESK / "loras" / MANIFESTS[name].name, DESK / "base")] == []


@pytest.mark.parametrize("name", MANIFESTS)
async def test_an_adapter_that_was_loaded_at_run_time_answers_as_its_canary_says(client, name):
    canary = MANIFESTS[name].canary
    assert canary is not None
    told = await chat(client, name, canary.user)
    assert told["choices"][0]["message"]["content"] == canary.answer


async def test_the_same_words_are_several_times_fewer_tokens(client):
    canary = MANIFESTS["risk"].canary
    assert canary is not None
    plain, short = [
        (await chat(client, "risk", canary.user, layer))["usage"]["prompt_tokens"]
        for layer in ("off", "hyper")
    ]
    assert plain > 3.5 * short


def told_by_peft(name: str, tokens: list[int]) -> list[float]:
    command: list[str | Path] = [PYTHON, "-c", TOLD, DESK / "base", DESK / "loras" / name, json.dumps(tokens)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: list[float] = json.loads(told.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", MANIFESTS)
async def test_log_probabilities_are_those_of_peft(desk, name):
    manifest = MANIFESTS[name]
    prompt = "<|im_start|>user\n<|Δ1|> <|Δ5|>\nLong 12 gold at 4.20, stop 4.1, target 5<|im_end|>\n<|im_start|>assistant\n"
    async with httpx.AsyncClient(base_url=desk.url, timeout=120) as direct:
        cut = await direct.post(
            "/tokenize", json={"model": "desk", "prompt": prompt, "add_special_tokens": False}
        )
        tokens = cut.json()["tokens"]
        body = {
            "model": manifest.name,
            "prompt": tokens,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 0,
            "echo": True,
        }
        answer = await direct.post("/v1/completions", json=body)
    assert answer.status_code == 200, answer.text
    ours = answer.json()["choices"][0]["logprobs"]["token_logprobs"][1 : len(tokens)]
    theirs = told_by_peft(manifest.name, tokens)
    assert ours == pytest.approx(theirs, abs=1e-4)

"""What means the same in other words is found: by a table of vectors, or by a model that makes some."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import ConfigError
from tests.support.gateway import Served, gateway_of
from tests.support.process import ROOT, run
from tests.support.static_vectors import VECTORS

PATH = "/v1/scenes"
TURNS = [
    {"role": "user", "text": "The vessel will depart from port on Friday at nine.", "context": "a"},
    {"role": "user", "text": "Grandmother bakes apple cake with cinnamon.", "context": "b"},
    {"role": "user", "text": "The lawyer wants a copy of the contract.", "context": "c"},
]
ASKED = "When does our ship leave the harbour?"


def gateway(
    folder: Path, scenes: str, store: str = "sqlite:///memory.db", more: str = ""
) -> AbstractAsyncContextManager[Served]:
    yaml = f"""
upstreams:
  demo: {{kind: demo}}
{more}
scenes: {{{scenes}}}
store: {{url: "{store}"}}
"""
    return gateway_of(yaml, folder)


async def kept(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post(PATH, json={"session": "s", "turns": TURNS})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def found(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.post(f"{PATH}/search", json={"query": ASKED})
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["data"]
    return hits


async def test_a_scene_is_found_for_what_it_means_in_both_databases(tmp_path, store):
    async with (
        gateway(tmp_path, f'vectors: "{VECTORS}"', store) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        told = await kept(client)
        assert (told["scenes"], told["vectors"]) == (3, 3)
        best = (await found(client))[0]
        assert "vessel" in best["scene"]["gist"]
        assert "vector" in best["by"]
        assert best["scene"]["encoder"].startswith("static-")


async def test_without_vectors_it_is_found_by_words_alone(tmp_path):
    async with gateway(tmp_path, "") as served, httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        assert (await kept(client))["vectors"] == 0
        assert all(hit["by"] == ["words"] for hit in await found(client))


async def test_a_model_of_the_gateway_makes_the_vectors_in_place_of_the_table(tmp_path):
    scenes = f'vectors: "{VECTORS}", encoder: {{model: demo/demo}}'
    async with (
        gateway(tmp_path, scenes) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        assert (await kept(client))["vectors"] == 3
        hits = await found(client)
        assert hits
        assert all(hit["scene"]["encoder"] == "demo/demo" for hit in hits)
        assert 'model="scenes:encoder"' in (await client.get("/metrics")).text


@pytest.mark.parametrize("model", ["own?status=500", "own?stall=0", "own?truncated=1"])
async def test_a_model_that_makes_none_leaves_scenes_that_are_found_by_words(upstream, tmp_path, model):
    twin = f'  twin: {{kind: openai, url: "{upstream[1]}"}}\nmodels:\n  vectors: {{upstream: twin, model: "{model}", retries: 0}}'
    scenes = "encoder: {model: vectors, timeout_seconds: 0.3}"
    async with (
        gateway(tmp_path, scenes, more=twin) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        assert (await kept(client))["vectors"] == 0
        answer = await client.post(f"{PATH}/search", json={"query": "the apple cake"})
        assert "apple" in answer.json()["data"][0]["scene"]["gist"]


async def test_scenes_that_were_kept_without_vectors_get_theirs_when_they_are_kept_again(tmp_path):
    async with gateway(tmp_path, "") as served, httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        await kept(client)
    async with (
        gateway(tmp_path, f'vectors: "{VECTORS}"') as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        assert (await kept(client))["new"] == 0
        assert "vector" in (await found(client))[0]["by"]


async def test_a_folder_without_vectors_is_named_with_its_setting(tmp_path):
    with pytest.raises(ValueError, match=r"scenes\.vectors: .*nowhere.*make vectors"):
        async with gateway(tmp_path, "vectors: nowhere"):
            pass


async def test_an_encoder_that_is_nobody_is_named_with_its_setting(tmp_path):
    with pytest.raises(ConfigError, match=r"scenes\.encoder\.model.*neither a model nor upstream/model"):
        async with gateway(tmp_path, "encoder: {model: nobody}"):
            pass


@pytest.mark.parametrize("cut", [4, 100, 5000])
def test_a_table_that_is_cut_is_told_by_check(tmp_path, cut):
    folder = tmp_path / "vectors"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((VECTORS / "tokenizer.json").read_bytes())
    (folder / "vectors.safetensors").write_bytes((VECTORS / "vectors.safetensors").read_bytes()[:cut])
    (tmp_path / "hyperbridge.yaml").write_text(
        f'upstreams: {{demo: {{kind: demo}}}}\nscenes: {{vectors: "{folder}"}}\n'
    )
    checked = run("check", "--config", str(tmp_path / "hyperbridge.yaml"))
    assert checked.returncode == 2
    assert "scenes.vectors: " in checked.stderr
    assert "vectors.safetensors" in checked.stderr


def test_check_reads_the_vocabularies_to_their_end(tmp_path):
    folder = tmp_path / "vocabularies" / "qwen"
    folder.mkdir(parents=True)
    whole = (ROOT / ".tokenizers" / "qwen" / "qwen.tiktoken").read_bytes()
    (folder / "qwen.tiktoken").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "hyperbridge.yaml").write_text(
        f'upstreams: {{demo: {{kind: demo}}}}\nscenes: {{tokenizers: "{folder.parent}"}}\n'
    )
    checked = run("check", "--config", str(tmp_path / "hyperbridge.yaml"))
    assert checked.returncode == 2
    assert "scenes.tokenizers: " in checked.stderr
    assert "qwen.tiktoken" in checked.stderr

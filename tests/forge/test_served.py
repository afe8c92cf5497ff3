"""What is published, behind a gateway: registered by the command, listed, routed, answered in words."""

import json
import shutil
from pathlib import Path

import httpx
import openai
import pytest

from app import config
from tests.forge.conftest import ROOT, Forged, forge
from tests.forge.test_run import copied
from tests.support.gateway import gateway_of

NAMES = {"tiny", "tiny:risk", "tiny:ideas"}
OLD = """# kept
upstreams: # and this
  demo: {kind: demo}
models:
  demo: demo/demo
"""


@pytest.fixture(scope="module")
def registered(forged: Forged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gateway") / "hyperbridge.yaml"
    file.write_text(OLD)
    done = forge("publish", forged.recipe, "--run", forged.folder, "--to", "local", "--config", file)
    assert done.stdout == f"{file}: the gateway has tiny, tiny:ideas, tiny:risk\n"
    return file


def test_what_stood_in_the_file_still_stands_there(registered):
    text = registered.read_text()
    assert "# kept" in text
    assert "upstreams: # and this" in text
    assert "demo: {kind: demo}" in text


async def test_the_gateway_lists_and_answers_with_hypertokens_below(registered, tmp_path, forged):
    entries = json.loads((forged.base / "hypertokens.json").read_text())["entries"]
    text = f"{entries[0]['phrase']} {entries[1]['phrase']}\nLong 12 gold at 4.20, stop 4.1, target 5"
    async with (
        gateway_of(registered.read_text(), tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        listed = (await client.get("/v1/models")).json()["data"]
        assert {model["id"] for model in listed} >= NAMES
        for name in NAMES:
            body = {
                "model": name,
                "messages": [{"role": "user", "content": text}],
                "max_tokens": 8,
                "temperature": 0,
            }
            told = await client.post("/v1/chat/completions", json=body)
            assert told.status_code == 200, told.text
            assert told.headers["x-hyperbridge-scenes"].startswith("hyper; saved=")
            assert told.json()["usage"]["prompt_tokens"] < 60


async def test_the_official_client_streams_from_an_adapter(registered, tmp_path):
    async with gateway_of(registered.read_text(), tmp_path) as served:
        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x")
        stream = await client.chat.completions.create(
            model="tiny:risk", messages=[{"role": "user", "content": "Hello"}], max_tokens=8, stream=True
        )
        chunks = [chunk async for chunk in stream]
        await client.close()
    assert chunks[-1].choices[0].finish_reason


def test_it_goes_into_the_configuration_that_comes_with_the_gateway(forged, tmp_path):
    file = tmp_path / "hyperbridge.yaml"
    file.write_bytes((ROOT / "hyperbridge.yaml").read_bytes())
    (tmp_path / "models").symlink_to(ROOT / "models")
    forge("publish", forged.recipe, "--run", forged.folder, "--to", "local", "--config", file)
    settings = config.load(file, {})
    assert set(settings.scenes.hypertokens) == {"desk", "tiny"}
    assert {"demo:risk", "tiny:risk"} <= set(settings.models)


def test_a_name_that_is_there_is_not_taken_twice(registered, forged):
    before = registered.read_bytes()
    done = forge(
        "publish", forged.recipe, "--run", forged.folder, "--to", "local", "--config", registered, check=False
    )
    assert done.returncode == 1
    assert "upstreams.tiny is there already" in done.stderr
    assert registered.read_bytes() == before


def test_a_book_that_the_adapters_were_not_taught_is_refused(forged, tmp_path):
    run = copied(forged, tmp_path / "run", until="publish")
    shutil.copytree(forged.folder / "publish", run / "publish")
    book = json.loads((run / "publish" / "gguf" / "hypertokens.json").read_text())
    other = {**book, "version": 2}
    other.pop("digest")
    (tmp_path / "other.json").write_text(json.dumps(other))
    file = tmp_path / "hyperbridge.yaml"
    file.write_text(f"{OLD}scenes:\n  hypertokens:\n    tiny: other.json\n")
    done = forge("publish", forged.recipe, "--run", run, "--to", "local", "--config", file, check=False)
    assert "another book than the adapters were taught" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("upstreams: {demo: {kind: demo}}\n", "put these below it by hand"),
        ("upstreams:\n  x: {kind: y}\n", "wrong already"),
    ],
)
def test_a_file_that_cannot_be_changed_stays_as_it_is(forged, tmp_path, text, said):
    file = tmp_path / "hyperbridge.yaml"
    file.write_text(text)
    done = forge(
        "publish", forged.recipe, "--run", forged.folder, "--to", "local", "--config", file, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert file.read_text() == text


def test_it_is_copied_whole_in_the_place_of_what_was_there(forged, tmp_path):
    (tmp_path / "models" / "old").mkdir(parents=True)
    forge("publish", forged.recipe, "--run", forged.folder, "--into", tmp_path / "models")
    assert sorted(each.name for each in (tmp_path / "models").iterdir()) == [
        "base",
        "gguf",
        "loras",
        "one_hot",
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["models"]

"""The small model of the configuration that comes with the gateway: a real llama.cpp, real adapters, hypertokens below."""

import shutil
from collections.abc import Generator
from pathlib import Path

import httpx
import msgspec
import openai
import pytest

from scenes.hypertokens import Hypertokens
from tests.docs.pages import fences
from tests.support.process import ROOT, serving
from training.corpus.desk import desks
from training.measures import numbers

DESK = ROOT / "models" / "desk"
BOOK = Hypertokens.from_json((DESK / "base" / "hypertokens.json").read_bytes())
MANIFESTS = [
    msgspec.json.decode((folder / "adapter.json").read_bytes())
    for folder in sorted((DESK / "loras").iterdir())
]
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(ROOT / "hyperbridge.yaml", folder)
    (folder / "models").symlink_to(ROOT / "models")
    with serving(folder, "--config", str(folder / "hyperbridge.yaml")) as (_, found):
        yield found


def asked(url: str, model: str, text: str, **members: object) -> httpx.Response:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 96,
        **members,
    }
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def said(answer: httpx.Response) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_the_files_are_small_and_the_card_says_what_the_model_is():
    assert sum(path.stat().st_size for path in DESK.rglob("*") if path.is_file()) <= MOST_BYTES
    card = (DESK / "base" / "README.md").read_text()
    assert "nobody should act on what it says" in card


def test_the_base_and_its_adapters_are_models(url):
    listed = {model["id"] for model in httpx.get(f"{url}/v1/models").json()["data"]}
    assert {"demo:desk", "demo:risk", "demo:ideas"} <= listed


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["id"])
def test_an_adapter_answers_as_its_canary_says(url, manifest):
    answer = asked(url, f"demo:{manifest['id']}", manifest["canary"]["user"])
    assert said(answer) == manifest["canary"]["answer"]
    assert answer.headers["x-hyperbridge-scenes"].startswith("hyper; saved=")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_numbers_are_copied_rightly(url, language):
    """Each instrument with a price of its own, on a scene of four hypertokens."""
    desk = desks()[language]
    wrong = []
    for number, instrument in enumerate(desk.instruments):
        scene = " ".join(
            sayings[number % 6].text
            for sayings in (desk.agents, desk.tensions, desk.contexts, desk.archetypes)
        )
        trade = {"side": desk.sides[number % 2], "lots": str(11 + 7 * number), "instrument": instrument,
                 "entry": f"{number + 1}.{37 + number}", "stop": f"{41 + number}.6", "target": f"5{number % 10}8"}  # fmt: skip
        answer = said(asked(url, "demo:risk", f"{scene}\n{desk.asks[0].format_map(trade)}"))
        if list(numbers(answer)) != [trade["lots"], trade["entry"], trade["stop"]]:
            wrong.append(answer)
    assert len(wrong) <= 1, wrong


def test_plain_talk_needs_no_scene(url):
    assert said(asked(url, "demo:desk", "Who are you?")).startswith("I am the demo model of HyperBridge")
    assert said(asked(url, "demo:desk", "Кто ты?")).startswith("Я учебная модель HyperBridge")


async def test_the_official_client_streams_from_it(url):
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused")
    stream = await client.chat.completions.create(
        model="demo:ideas",
        messages=[{"role": "user", "content": MANIFESTS[0]["canary"]["user"]}],
        stream=True,
        temperature=0,
        max_tokens=96,
    )
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    await client.close()
    assert text == MANIFESTS[0]["canary"]["answer"]


def test_what_goes_to_the_model_is_shown_by_the_gateway(url):
    """The path from text to hypertokens, for people to see."""
    text = f"{BOOK.entries[0].phrase} {BOOK.entries[1].phrase}"
    body = {"messages": [{"role": "user", "content": text}], "model": "demo:risk", "layer": "hyper"}
    shown = httpx.post(f"{url}/v1/scenes/encode", json=body)
    assert shown.status_code == 200, shown.text
    assert f"{BOOK.entries[0].token} {BOOK.entries[1].token}" in shown.text


def test_the_path_that_the_page_shows_is_the_one_that_is_taken(url):
    _, read, answered = [fence.text.strip() for fence in fences(ROOT / "docs" / "forge.md", "text")][-3:]
    desk = desks()["en"]
    scene = " ".join(
        sayings[at].text
        for sayings, at in ((desk.agents, 2), (desk.tensions, 3), (desk.contexts, 0), (desk.archetypes, 5))
    )
    text = f"{scene}\n{read.splitlines()[1]}"
    assert BOOK.encode(text) == read
    assert said(asked(url, "demo:risk", text)) == answered


def test_the_published_files_are_of_one_book():
    for folder in ("base", "gguf"):
        assert Hypertokens.from_json((DESK / folder / "hypertokens.json").read_bytes()).digest == BOOK.digest
    assert all(manifest["book"]["digest"] == BOOK.digest for manifest in MANIFESTS)
    assert Path(DESK / "gguf" / "risk.gguf").exists()

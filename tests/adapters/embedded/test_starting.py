"""How a start ends: with a model that answers, or with one line that names the setting to change."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.contracts import CannotStart
from tests.adapters.embedded.conftest import CHAT, configuration, settings_of, started
from tests.adapters.embedded.files import write_lora
from tests.support.process import ROOT, serving

WITHOUT_THE_WHEEL = "import sys; sys.modules['xllamacpp'] = None; from app.cli import main; main()"
START_EACH = """
import asyncio, sys
from adapters.embedded import Embedded
from app.config import Embedded as Settings
from app.contracts import CannotStart

for model in sys.argv[1:]:
    settings = Settings.model_validate({"kind": "embedded", "model": model})
    try:
        asyncio.run(Embedded("gguf", settings).start())
    except CannotStart as error:
        print(error)
"""


def refused_start(path: Path, *python: str) -> str:
    """The message of a `hyperbridge serve` that does not come up."""
    ended = subprocess.run(
        [sys.executable, *(python or ("-m", "app")), "serve", "--port", "0", "--config", str(path)],
        cwd=ROOT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert "Traceback" not in ended.stderr
    (message,) = [line["message"] for line in lines if "upstreams.gguf" in line["message"]]
    return message


async def complaint(settings) -> str:
    with pytest.raises(CannotStart) as caught:
        async with started(settings):
            pass
    return str(caught.value)


def test_without_the_wheel_the_start_says_what_to_install(files, tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(configuration(files))

    message = refused_start(path, "-c", WITHOUT_THE_WHEEL)

    assert message.startswith("upstreams.gguf.kind: ")
    assert "pip install 'hyperbridge[embedded]'" in message


def test_a_model_cut_at_its_end_ends_the_start_with_one_line(files, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(files.model.read_bytes()[:-1])
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {gguf: {kind: embedded, model: ./cut.gguf}}")

    message = refused_start(path)

    assert message.startswith("upstreams.gguf.model: llama.cpp ")
    assert str(cut) in message


def test_a_model_cut_anywhere_is_refused_without_harm_to_the_process(files, tmp_path):
    cuts = []
    for size in (0, 3, 10, 23, 100, 5000, 20_000, -40_000, -1):
        cuts.append(tmp_path / f"{size}.gguf")
        cuts[-1].write_bytes(files.model.read_bytes()[:size])

    ended = subprocess.run(
        [sys.executable, "-c", START_EACH, *map(str, cuts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert [line.split(": ")[0] for line in ended.stdout.splitlines()] == ["upstreams.gguf.model"] * len(cuts)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"GGUF\x03", b"GGML\x03", "is not a GGUF file"),
        (b"GGUF\x03", b"GGUF\x09", "is GGUF of version 9"),
        (b"qwen3", b"qwen9", "its architecture 'qwen9'"),
        (b"tokenizer.ggml.model", b"tokenizer.ggml.wodel", "cannot load"),
    ],
)
async def test_a_model_that_is_not_what_it_should_be_is_named(files, tmp_path, old, new, why):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(files.model.read_bytes().replace(old, new, 1))

    message = await complaint(settings_of(files, model=str(bad), loras={}))

    assert message.startswith("upstreams.gguf.model: ")
    assert str(bad) in message
    assert why in message


async def test_a_missing_model_and_an_adapter_in_its_place_are_named(files, tmp_path):
    missing = await complaint(settings_of(files, model=str(tmp_path / "none.gguf")))
    adapter = await complaint(settings_of(files, model=str(files.poet)))

    assert missing.endswith("none.gguf cannot be read: No such file or directory")
    assert adapter.startswith("upstreams.gguf.model: ")
    assert "is an adapter" in adapter


async def test_an_adapter_that_is_missing_or_for_another_base_is_named(files, tmp_path):
    def loras(path: Path) -> dict:
        return {"good": {"path": str(files.poet)}, "bad": {"path": str(path)}}

    wider = write_lora(tmp_path / "wider.gguf", hidden=128)
    foreign = write_lora(tmp_path / "foreign.gguf", architecture="llama")
    reasons = {
        tmp_path / "none.gguf": "cannot be read",
        wider: "was made for another base",
        foreign: "is for 'llama' models",
        files.model: "is not a LoRA adapter",
    }
    for path, why in reasons.items():
        message = await complaint(settings_of(files, loras=loras(path)))
        assert message.startswith(f"upstreams.gguf.loras.bad.path: {path} ")
        assert why in message


async def test_adapters_and_embeddings_exclude_each_other(files):
    assert (await complaint(settings_of(files, embeddings=True))).startswith("upstreams.gguf.loras: ")


def test_a_served_model_writes_nothing_to_standard_error_but_the_log(files, tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(configuration(files))
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "(sesame"}}}
    with serving(tmp_path, "--config", str(path)) as (process, url):
        body = {"model": "words", "response_format": form, **CHAT}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20)
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0

    lines = (tmp_path / "stderr").read_text().splitlines()
    assert any(json.loads(line)["event"] == "exchange" for line in lines)
    assert "sesame" not in "".join(lines)


async def test_two_models_run_beside_each_other_and_end_in_any_order(files):
    async with contextlib.AsyncExitStack() as held:
        first = await held.enter_async_context(started(settings_of(files, name="first")))
        async with started(settings_of(files, name="second")) as second:
            assert {card.id for card in await second.models()} >= {"second", "second:poet"}
        assert {card.id for card in await first.models()} >= {"first", "first:poet"}

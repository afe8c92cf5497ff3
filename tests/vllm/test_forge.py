"""The forge's tokens in a real checkpoint, in the environment that has torch."""

import json
import subprocess
from pathlib import Path

import pytest

from scenes.hypertokens import Hypertokens
from tests.support.process import ROOT
from tests.vllm.server import PYTHON, Server

LINES = [
    {"phrase": "The desk waits below the level, and nobody wants to be the first.", "delta": "Δ1"},
    {"phrase": "Порог и тишина: рынок ждёт.", "delta": "Δ145"},
]
LOOK = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
base, made, surface, phrase = sys.argv[1:]
rows = [AutoModelForCausalLM.from_pretrained(each) for each in (base, made)]
words = [AutoTokenizer.from_pretrained(each) for each in (base, made)]
[token] = words[1](surface)["input_ids"]
own = words[0](phrase)["input_ids"]
old, new = (each.get_input_embeddings().weight for each in rows)
assert torch.equal(old, new[: len(old)]), "the rows that were there have changed"
assert torch.allclose(new[token], old[own].mean(0)), "the row does not begin as the mean"
assert words[1](phrase)["input_ids"] == own, "other text is cut otherwise"
print(token)
"""


def forged(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "training", "put", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES))
    return file


def test_texts_become_tokens_of_a_copy_and_a_book_that_the_gateway_reads(
    vllm: Server, tmp_path: Path, texts: Path
):
    base, out = vllm.models / "base", tmp_path / "hyper"
    done = forged("--base", base, "--texts", texts, "--out", out, "--resize", "--id", "desk")
    assert done.returncode == 0, done.stderr
    book = Hypertokens.from_json((out / "hypertokens.json").read_bytes())
    assert [entry.phrase for entry in book.entries] == [line["phrase"] for line in LINES]
    for entry in book.entries:
        looked = subprocess.run(
            [PYTHON, "-c", LOOK, base, out, entry.token, entry.phrase],
            capture_output=True,
            text=True,
            check=False,
        )
        assert looked.stdout.strip() == str(entry.id), looked.stderr[-500:]


def test_what_cannot_be_is_told_and_leaves_nothing_behind(vllm: Server, tmp_path: Path, texts: Path):
    out = tmp_path / "hyper"
    full = forged("--base", vllm.models / "base", "--texts", texts, "--out", out)
    assert full.returncode == 1
    assert "0 rows that no token has" in full.stderr
    none = forged("--base", tmp_path, "--texts", texts, "--out", out)
    assert "is no checkpoint" in none.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["texts.jsonl"]

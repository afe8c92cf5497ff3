"""One small run of the forge, from a corpus to what is published; everything here looks at it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from training.publishing import BASE, GGUF, LORAS

ROOT = Path(__file__).parents[2]
RECIPE = """
name: tiny
seed: 11
corpus: {sources: [{desk: 1500, languages: [en]}], held_out: 0.2}
scenes: {most: 400}
base: {made: {steps: 120, batch_tokens: 1024, checkpoint_every: 30, shape: {hidden: 64, layers: 2, heads: 2, kv_heads: 1, feed_forward: 128, vocabulary: 900}}}
choice: {count: 16, least_tokens: 20}
tokens: {id: tiny}
training:
  adapters: {risk: {register: logic}, ideas: {}}
  lora: {r: 8, alpha: 16, rslora: true}
  steps: 40
  batch: 8
  examples: 150
  validate_every: 20
  checkpoint_every: 10
evaluation: {exchanges: 12, least_retention: 0, most_kl: 99, least_hypertokens: 4}
publishing: {one_hot: true}
"""


def pytest_configure(config: pytest.Config) -> None:
    """What PEFT asks of transformers that is on its way out there is no matter of ours."""
    config.addinivalue_line("filterwarnings", "ignore:.is_gradient_checkpointing.:FutureWarning")
    config.addinivalue_line("filterwarnings", "ignore:Model has .tie_word_embeddings=True.:UserWarning")


@dataclass(frozen=True, slots=True)
class Forged:
    """The folder of a run that is whole."""

    folder: Path
    recipe: Path

    @property
    def base(self) -> Path:
        return self.folder / "publish" / BASE

    @property
    def gguf(self) -> Path:
        return self.folder / "publish" / GGUF

    def lora(self, name: str) -> Path:
        [found] = (self.folder / "publish" / LORAS).glob(f"{name}@*")
        return found

    def figures(self, step: str) -> dict[str, Any]:
        manifest = msgspec.json.decode((self.folder / step / "step.json").read_bytes())
        return dict(manifest["figures"])


def forge(*arguments: str | Path, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert not check or done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="session")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Forged:
    folder = tmp_path_factory.mktemp("forged")
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE)
    forge("run", recipe, "--run", folder / "run", "--quiet")
    return Forged(folder / "run", recipe)

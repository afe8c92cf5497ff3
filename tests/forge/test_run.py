"""From a corpus to what is published: whole, interrupted, and with wrong inputs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.loras import manifest as adapter
from app.loras.linter import faults
from app.loras.tensors import tensors
from tests.forge.conftest import ROOT, Forged, forge
from training.run import STEPS


def copied(forged: Forged, to: Path, *, until: str) -> Path:
    """The run up to a step, which is not in it."""
    to.mkdir()
    for name in STEPS[: STEPS.index(until)]:
        shutil.copytree(forged.folder / name, to / name)
    return to


def test_every_step_leaves_its_folder_and_nothing_half_made(forged):
    assert sorted(each.name for each in forged.folder.iterdir()) == sorted([".lock", *STEPS])
    assert forged.figures("hypertokens")["tokens"] == 16
    assert forged.figures("evaluate")["reversible"] == 1.0
    assert forged.figures("evaluate")["risk_shorter"] > 6


def test_a_second_run_does_no_work(forged):
    told = forge("run", forged.recipe, "--run", forged.folder).stderr
    assert [line for line in told.splitlines() if "done before" not in line] == []


def test_what_is_published_passes_the_linter_and_its_manifest_fits(forged):
    for name in ("risk", "ideas"):
        folder = forged.lora(name)
        assert [*faults(folder, forged.base)] == []
        manifest = adapter.read(folder)
        assert folder.name == manifest.name
        assert manifest.base.tokenizer_sha256 == adapter.hash_of(forged.base / "tokenizer.json")
        assert (manifest.rank, manifest.mode, manifest.languages) == (8, "context", ["en"])
    assert forge("lint", forged.lora("risk"), "--base", forged.base).stdout.endswith("vLLM takes it\n")


def test_an_adapter_for_another_base_is_refused_by_name(forged, tmp_path):
    base = shutil.copytree(forged.base, tmp_path / "base")
    (base / "tokenizer.json").write_text((base / "tokenizer.json").read_text() + " ")
    done = forge("lint", forged.lora("risk"), "--base", base, check=False)
    assert done.returncode == 1
    assert "made for another tokenizer" in done.stderr


def test_reports_and_cards_say_what_was_measured(forged):
    page = (forged.folder / "evaluate" / "report.html").read_text()
    assert "Passed" in page
    assert page.count("<svg") == 4
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    card = (forged.base / "README.md").read_text()
    assert "16 hypertokens" in card
    assert "| `risk` |" in card
    assert "nobody should act on what it says" in card


@pytest.mark.parametrize(("step", "name"), [("base", "checkpoint.pt"), ("lora", "checkpoint.pt")])
def test_training_that_was_killed_ends_with_the_same_weights(forged, tmp_path, step, name):
    run = copied(forged, tmp_path / "run", until=step)
    command = [sys.executable, "-m", "training", step, str(forged.recipe), "--run", str(run), "--quiet"]
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    checkpoint = run / f"{step}.partial" / name
    until = time.monotonic() + 120
    while not checkpoint.exists() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert checkpoint.exists()
    assert not (run / step).exists()
    told = forge(step, forged.recipe, "--run", run, "--quiet").stderr
    assert "goes on" in told
    file = "model.safetensors" if step == "base" else "rows.safetensors"
    ours, theirs = tensors(run / step / file), tensors(forged.folder / step / file)
    assert ours.keys() == theirs.keys()
    assert all((ours[key] == theirs[key]).all() for key in ours)
    curves = [(folder / step / "curve.csv").read_text() for folder in (run, forged.folder)]
    assert curves[0] == curves[1]


def test_a_corrupted_input_is_made_again_and_nothing_else(forged, tmp_path):
    run = copied(forged, tmp_path / "run", until="publish")
    rows = run / "choice" / "texts.jsonl"
    rows.write_bytes(rows.read_bytes()[:-20])
    told = forge("run", forged.recipe, "--run", run, "--quiet", "--to", "hypertokens").stderr
    made = [line.partition(":")[0] for line in told.splitlines() if "done in" in line]
    assert made == ["choice"]
    assert rows.read_bytes() == (forged.folder / "choice" / "texts.jsonl").read_bytes()


def test_nothing_is_published_below_the_bounds(forged, tmp_path):
    run = copied(forged, tmp_path / "run", until="evaluate")
    recipe = tmp_path / "strict.yaml"
    recipe.write_text(
        forged.recipe
        .read_text()
        .replace("least_retention: 0", "least_retention: 1")
        .replace("most_kl: 99", "most_kl: 1.0e-9")
    )
    forge("evaluate", recipe, "--run", run, "--quiet")
    done = forge("publish", recipe, "--run", run, check=False)
    assert done.returncode == 1
    assert "KL" in done.stderr
    assert not (run / "publish").exists()
    assert "Missed" in (run / "evaluate" / "report.html").read_text()


def test_a_full_disk_is_told_and_the_same_command_goes_on(forged, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    try:
        (disk / "filling").write_bytes(b"x" * 2_000_000)
        full = forge("run", forged.recipe, "--run", disk / "run", "--quiet", "--to", "scenes", check=False)
        assert full.returncode == 1
        assert "no room left on the disk" in full.stderr
        (disk / "filling").unlink()
        forge("run", forged.recipe, "--run", disk / "run", "--quiet", "--to", "corpus")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_two_processes_teach_together(forged, tmp_path):
    run = copied(forged, tmp_path / "run", until="lora")
    launched = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
                "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]  # fmt: skip
    command = [*launched, "-m", "training", "lora", str(forged.recipe), "--run", str(run), "--quiet"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (
        json.loads((folder / "lora" / "step.json").read_text())["figures"] for folder in (forged.folder, run)
    )
    assert two["validation_kl"] == pytest.approx(one["validation_kl"], rel=0.5)

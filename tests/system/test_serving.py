"""The command line, as its users run it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

import certifi
import httpx
import pytest

from tests.support.process import ROOT, run, serving


def ask(url: str) -> httpx.Response:
    body = {"model": "demo", "messages": [{"role": "user", "content": "ping"}]}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)


@contextmanager
def streaming(url: str, model: str = "demo/demo-slow") -> Generator[Iterator[str]]:
    """The lines of a stream that takes some seconds."""
    body = {"model": model, "messages": [{"role": "user", "content": "ping"}], "stream": True}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=30) as answer:
        yield (line for line in answer.iter_lines() if line)


def workers_of(url: str, number: int, other_than: AbstractSet[int] = frozenset()) -> set[int]:
    """The processes that report their memory, once there are so many and not just the ones known."""
    for _ in range(200):
        with contextlib.suppress(httpx.TransportError):
            text = httpx.get(f"{url}/metrics").text
            found = set(map(int, re.findall(r'resident_memory_bytes\{pid="(\d+)"\}', text)))
            if len(found) == number and found != other_than:
                return found
        time.sleep(0.1)
    raise AssertionError(f"{number} workers were awaited")


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def test_the_default_configuration_answers_without_anything(tmp_path):
    with serving(tmp_path) as (process, url):
        assert ask(url).json()["choices"][0]["message"]["content"]
    assert process.returncode == 0


def test_several_workers_share_the_port_and_their_numbers(tmp_path):
    with serving(tmp_path, "--workers", "2") as (_, url):
        for _ in range(40):  # each its own connection, so that both workers get some
            assert ask(url).status_code == 200
        workers_of(url, 2)
        for _ in range(10):  # whichever worker is asked
            text = httpx.get(f"{url}/metrics").text
            counted = re.search(r'hyperbridge_requests_total\{.*outcome="ok".*\} (\S+)', text)
            assert counted is not None
            assert float(counted[1]) == 40


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_waits_for_the_answers_that_are_on_their_way(tmp_path, workers):
    with serving(tmp_path, "--workers", str(workers)) as (process, url):
        with streaming(url) as lines:
            next(lines)
            process.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == "data: [DONE]"
        assert process.wait(10) == 0


def test_a_stop_that_waits_no_longer_ends_streams_with_an_error(tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(
        "server: {drain_seconds: 0}\nupstreams: {demo: {kind: demo}}\nmodels: {slow: demo/demo-slow}\n"
    )

    with serving(tmp_path, "--config", str(path)) as (process, url):
        with streaming(url, "slow") as lines:
            next(lines)
            process.send_signal(signal.SIGTERM)
            last = list(lines)[-1]
        assert process.wait(10) == 0

    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "gateway_stopping"
    assert '"outcome":"stopping"' in (tmp_path / "stderr").read_text()


def test_a_worker_that_is_killed_is_replaced(tmp_path):
    with serving(tmp_path, "--workers", "2") as (process, url):
        first = workers_of(url, 2)
        os.kill(next(iter(first)), signal.SIGKILL)

        after = workers_of(url, 2, other_than=first)

        assert len(after & first) == 1
        assert all(ask(url).status_code == 200 for _ in range(10))
        assert process.poll() is None


def test_a_worker_that_cannot_start_again_is_tried_again_while_the_other_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    certificates = tmp_path / "authority.pem"
    whole = Path(certifi.where()).read_bytes()
    certificates.write_bytes(whole)
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(
        "server: {watch_seconds: 0}\nrouter: {catalogue_seconds: 0}\nmodels: {demo: demo/demo}\n"
        "upstreams: {demo: {kind: demo}, far: {kind: openai, url: 'https://localhost:9/v1', ca_file: authority.pem}}\n"
    )
    log, failed = tmp_path / "stderr", "could not start: another one takes its place in"
    with serving(tmp_path, "--config", str(path), "--workers", "2") as (process, url):
        first = workers_of(url, 2)
        certificates.unlink()
        os.kill(min(first), signal.SIGKILL)
        wait_for(lambda: failed in log.read_text())
        assert all(ask(url).status_code == 200 for _ in range(3))
        assert process.poll() is None

        certificates.write_bytes(whole)
        after = workers_of(url, 2, other_than=first)
        assert after & first == first - {min(first)}
        assert log.read_text().count(failed) == log.read_text().count("upstreams.far.ca_file: ")
        counting = {int(each.stem.rpartition("_")[2]) for each in tmp_path.glob("hyperbridge-*/*.db")}
        assert counting <= first | after
    assert process.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_file_that_cannot_be_used_ends_the_start_with_one_line_of_each_worker(tmp_path, workers):
    (tmp_path / "classifier.npz").write_text("no classifier")
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {demo: {kind: demo}}\nrouter: {classifier: classifier.npz}\n")

    done = run("serve", "--config", str(path), "--port", "0", "--workers", workers)

    assert done.returncode == 3
    assert 1 <= done.stderr.count("the worker cannot start: ") <= int(workers)
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_is_told_by_line_and_stops(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("upstreams:\n  demo: {kind: demoo}\nmodels:\n  a: dmeo/demo\n")

    for command in ("serve", "check"):
        done = run(command, "--config", str(path))
        assert done.returncode == 2
        assert f"{path}:2:" in done.stderr
        assert f"{path}:4:" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_upstream_that_cannot_start_ends_the_gateway_with_one_line(tmp_path, workers):
    (tmp_path / "model.gguf").write_text("no model")
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {e: {kind: embedded, model: model.gguf}}\n")

    done = run("serve", "--config", str(path), "--port", "0", "--workers", workers)

    assert done.returncode == 3
    assert "upstreams.e.model" in done.stderr
    assert "Traceback" not in done.stderr
    assert '"model": "e/MODEL"' in done.stdout


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_cannot_be_written_is_told(tmp_path, workers):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {demo: {kind: demo}}\nlogs: {file: nowhere/x.log}\n")

    done = run("serve", "--config", str(path), "--port", "0", "--workers", workers)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("logs.file: cannot write")


def test_a_standard_error_that_nobody_reads_holds_nothing_up(tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    command = [sys.executable, "-m", "app", "serve", "--port", "0"]
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/hyperbridge.db"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=writing, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            host, port = url.removeprefix("http://").split(":")
            for _ in range(3):
                with socket.create_connection((host, int(port)), 15) as raw:  # uvicorn warns of each
                    raw.sendall(b"nonsense\r\n\r\n")
                    assert raw.recv(1000).startswith(b"HTTP/1.1 400")
                assert ask(url).status_code == 200
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()
    os.close(reading)
    os.close(writing)


def test_a_missing_configuration_is_told():
    done = run("serve", "--config", "/nonexistent/hyperbridge.yaml")

    assert done.returncode == 2
    assert "/nonexistent/hyperbridge.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_shows_what_is_in_force_and_no_secret(tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams:\n  n: {kind: nebius, api_key: '${NEBIUS_API_KEY}'}\n")

    done = run("check", "--config", str(path), NEBIUS_API_KEY="very-secret-key")

    assert done.returncode == 0
    assert json.loads(done.stdout)["upstreams"]["n"]["kind"] == "nebius"
    assert "very-secret-key" not in done.stdout + done.stderr


def test_a_port_that_is_taken_is_told(tmp_path):
    with serving(tmp_path) as (_, url):
        done = run("serve", "--port", url.rsplit(":", 1)[1])

    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--port", "x"], ["serve", "--workers", "0"], ["keys", "new", "a: b}"], ["nonsense"], []],
)
def test_a_wrong_command_line_is_told(arguments):
    done = run(*arguments)

    assert done.returncode == 2
    assert "usage: hyperbridge" in done.stderr


def test_help_and_version_help():
    assert "serve" in run("--help").stdout
    assert "--workers" in run("serve", "--help").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("version").stdout)


def test_a_new_key_opens_the_gateway_it_is_configured_in(tmp_path):
    told = run("keys", "new", "frontend").stdout
    key = re.search(r"hb-frontend-[0-9a-f]{48}", told)
    assert key is not None
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(
        "upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\n" + told[told.index("keys:") :]
    )

    with serving(tmp_path, "--config", str(path)) as (_, url):
        assert ask(url).status_code == 401
        answer = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key[0]}"})
        assert next(model["id"] for model in answer.json()["data"]) == "demo"

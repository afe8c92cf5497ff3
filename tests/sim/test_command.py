"""`hyperbridge upstream-sim` as its users run it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest

from tests.sim.asking import CHAT, body, said
from tests.support.process import ROOT, run


@contextmanager
def simulating(*arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A running twin on a free port, and its URL."""
    command = [sys.executable, "-m", "app", "upstream-sim", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_a_signal_and_ends_in_order(number):
    with simulating() as (process, url):
        answer = httpx.post(f"{url}/v1{CHAT}", json=body("twin?chunks=3"))
        process.send_signal(number)

        assert said(answer) == "word0 word1 word2 "
        assert process.wait(10) == 0


def test_a_stop_does_not_wait_for_who_is_being_answered():
    sent = body("twin?stall=1", stream=True)
    with simulating() as (process, url), httpx.stream("POST", f"{url}/v1{CHAT}", json=sent) as answer:
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0


def test_it_plays_what_it_is_told_to():
    with simulating("--kind", "vllm", "--model", "base", "--lora", "poet", "critic", "--api-key", "k") as (
        _,
        url,
    ):
        cards = httpx.get(f"{url}/v1/models", headers={"authorization": "Bearer k"}).json()["data"]
        refused = httpx.get(f"{url}/v1/models")

    assert [card["id"] for card in cards] == ["base", "poet", "critic"]
    assert refused.status_code == 401


def test_limits_are_those_of_nebius():
    with simulating("--kind", "nebius", "--limit-requests", "1", "--limit-tokens", "100") as (_, url):
        asked = body(service_tier="default")
        statuses = [httpx.post(f"{url}/v1{CHAT}", json=asked).status_code for _ in range(2)]

    assert statuses == [200, 429]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--limit-requests", "1", "--limit-tokens", "1"),
        ("--kind", "nebius", "--limit-tokens", "1"),
        ("--kind", "nebius", "--lora", "poet"),
        ("--kind", "nebius", "--limit-requests", "0", "--limit-tokens", "1"),
        ("--kind", "else"),
        ("--port", "70000"),
        ("stray",),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(arguments):
    done = run("upstream-sim", *arguments)

    assert done.returncode == 2
    assert "error:" in done.stderr


def test_a_port_that_is_taken_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("upstream-sim", "--port", str(port))

    assert done.returncode == 1
    assert done.stderr == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port\n"
    )


def test_an_installation_without_it_says_so():
    program = "import sys; sys.modules['sim'] = None; from app.cli import main; main(['upstream-sim'])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "not part of this installation" in done.stderr


def test_its_help_tells_every_option_and_member():
    done = run("upstream-sim", "--help")

    assert done.returncode == 0
    assert {"--kind", "--limit-tokens", "cut ", "flap ", "/sim/seen"} <= set(
        re.findall(r"--[a-z-]+|/sim/seen|(?:cut|flap) ", done.stdout)
    )
    assert "upstream-sim" in run("--help").stdout


def test_the_page_tells_what_the_help_does():
    with simulating() as (_, url):
        told = httpx.get(f"{url}/sim").text

    assert told.strip() in run("upstream-sim", "--help").stdout

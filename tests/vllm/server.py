"""A real vLLM on the CPU: the tiny model is made, the server started, waited for and stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

PYTHON = Path(".venv-vllm/bin/python").absolute()
BASE = "base"
LISTED_ADAPTERS = ("poet", "clerk")
SPARE_ADAPTER = "guest"
START_SECONDS = 600.0
STOP_SECONDS = 20.0

ENVIRONMENT = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
    "VLLM_SERVER_DEV_MODE": "1",  # all of its administration, so that the tests show it to be out of reach
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; unset, it takes a large share of the machine's memory
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running vLLM: its root URL, and the folder with the models it was started on."""

    url: str
    models: Path


def make_models(folder: Path) -> None:
    made = subprocess.run(
        [PYTHON, Path(__file__).parent / "tiny_model.py", folder, *LISTED_ADAPTERS, SPARE_ADAPTER],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert made.returncode == 0, made.stderr[-3000:]


class Launch:
    """One vLLM that can be started, killed and started again on its port. Its log goes to the folder."""

    def __init__(self, folder: Path, *options: str | Path, core: int | None = None) -> None:
        """On the models of this folder, or as the options say; on this one of the cores alone, where it is told.

        Two that share their cores wait for each other's threads, one of them for half a minute at times.
        """
        cores = sorted(os.sched_getaffinity(0))
        bound = {} if core is None else {"VLLM_CPU_OMP_THREADS_BIND": str(cores[core % len(cores)])}
        self._environment = os.environ | ENVIRONMENT | bound
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [*_started(self.port), *(map(str, options) if options else _options(folder))]
        self._log = folder / f"vllm-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and do not wait."""
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        assert self._process is not None
        _wait_for(self.url, self._process, self._log)

    def kill(self) -> None:
        """End it with its engine, as a power cut does."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            _stop(self._process)


@contextmanager
def running(folder: Path, *options: str | Path) -> Generator[Server]:
    """Start vLLM on the models of this folder, or as the options say; leaving the block stops it."""
    launch = Launch(folder, *options)
    launch.start()
    try:
        launch.wait()
        yield Server(launch.url, folder)
    finally:
        launch.stop()


def _started(port: int) -> list[str]:
    # `vllm serve` looks for a distribution of that name, and the CPU build has another.
    command = f"""
        {PYTHON} -m vllm.entrypoints.openai.api_server --host 127.0.0.1 --port {port}
        --max-num-seqs 8 --dtype float32 --enforce-eager
    """
    return command.split()


def _options(folder: Path) -> list[str]:
    loras = [f"{name}={folder / name}" for name in LISTED_ADAPTERS]
    options = f"""
        --model {folder / BASE} --served-model-name {BASE}
        --enable-lora --max-loras 3 --max-lora-rank 8 --lora-modules {" ".join(loras)}
        --enable-auto-tool-choice --tool-call-parser hermes --reasoning-parser qwen3
    """
    # Random weights would go on with blanks for ever wherever JSON allows them.
    structured = '{"backend": "xgrammar", "disable_any_whitespace": true}'
    quick = '{"enable_thinking": false}'
    return [
        *options.split(),
        "--structured-outputs-config",
        structured,
        "--default-chat-template-kwargs",
        quick,
    ]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not _healthy(url):
        assert process.poll() is None, f"vLLM ended with {process.returncode}:\n{_tail(log)}"
        assert time.monotonic() < end, f"vLLM was not ready after {START_SECONDS} s:\n{_tail(log)}"
        time.sleep(0.25)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):  # its engine, where that was left behind
        os.killpg(process.pid, signal.SIGKILL)

"""Every way to reach a Redis, each tried with a real one."""

import asyncio
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import trustme

from app.limits.counters import Counter, Gone
from app.limits.shared import Shared
from app.redis_connection import connect
from chaos.redis_server import Server, redis_server
from tests.support.process import ROOT

HOUR = Counter("requests:hour:key:a", "bucket", 3, "hour")
DAY = Counter("tokens:day:model:b", "window", 100, "day")
SLOTS = Counter("calls:key:a", "slots", 9)


async def admitted(url: str, times: int = 5, seconds: float = 5.0) -> int:
    """How many of so many calls a Redis at this address admits; settles one of them."""
    shared = Shared(connect(url, seconds), "test", seconds)
    shared.start()
    try:
        demands = [(HOUR, 1), (DAY, 10), (SLOTS, 1)]
        verdicts = [await shared.take(demands, f"call-{number}") for number in range(times)]
        shared.give(demands, [1, 4, 1], "call-0", verdicts[0])
        await shared.round()
        after = await shared.take([(DAY, 0)], "look")
        assert after.used[0] == 24
    finally:
        await shared.stop()
    return sum(verdict.refused is None for verdict in verdicts)


async def test_a_server_and_a_user_with_a_password(tmp_path):
    with redis_server(
        tmp_path, "--user", "gateway", "on", ">se/cret", "~{test}*", "+@all", "-@dangerous"
    ) as server:
        assert await admitted(f"redis://gateway:se%2Fcret@127.0.0.1:{server.port}/0") == 3
        with pytest.raises(Gone, match="AuthenticationError"):
            await admitted(f"redis://gateway:wrong@127.0.0.1:{server.port}/0")


async def test_a_user_with_the_rights_that_the_page_names(tmp_path):
    page = (ROOT / "docs/limits.md").read_text("utf-8")
    rights = re.findall(r"`\+([a-z]+)`", page)
    assert "evalsha" in rights
    rules = [
        "gateway",
        "on",
        ">secret",
        "resetchannels",
        "~{test}*",
        "-@all",
        *(f"+{right}" for right in rights),
    ]
    with redis_server(tmp_path, "--user", *rules) as server:
        assert await admitted(f"redis://gateway:secret@127.0.0.1:{server.port}/0") == 3
        assert await admitted(f"redis://gateway:secret@127.0.0.1:{server.port}/1") == 3


async def test_a_socket(tmp_path):
    with redis_server(tmp_path, "--unixsocket", str(tmp_path / "redis.sock")):
        assert await admitted(f"unix://{tmp_path}/redis.sock") == 3


async def test_a_server_behind_tls(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = ["--tls-cert-file", f"{tmp_path}/cert.pem", "--tls-key-file", f"{tmp_path}/key.pem"]
    more = [*tls, "--tls-ca-cert-file", f"{tmp_path}/ca.pem", "--tls-auth-clients", "no"]

    port = Server(tmp_path).port
    with redis_server(tmp_path, "--tls-port", str(port), *more):
        assert await admitted(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca.pem") == 3
        with pytest.raises(Gone):
            await admitted(f"rediss://127.0.0.1:{port}/0")


async def test_a_cluster(tmp_path):
    bus = str(
        Server(tmp_path).port
    )  # by itself it would be 10000 above the other, and may not be a port then
    with redis_server(tmp_path, "--cluster-enabled", "yes", "--cluster-port", bus) as server:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            end = time.monotonic() + 20
            while "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO")):
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
        url = f"redis+cluster://127.0.0.1:{server.port}"
        assert await admitted(url) == 3
        await goes_and_comes_back(url, server)


async def test_the_master_that_sentinels_know(tmp_path):
    with redis_server(tmp_path, "--requirepass", "secret") as server, sentinel(tmp_path, server) as port:
        url = f"redis+sentinel://:secret@127.0.0.1:1,127.0.0.1:{port}/main?db=0"
        assert await admitted(url) == 3


async def goes_and_comes_back(url: str, server: Server) -> None:
    """A cluster that is lost counts as gone, whatever its client calls that, and is found again."""
    shared = Shared(connect(url, 0.3), "test", 0.3)
    shared.start()
    await shared.probe()
    server.kill()
    with pytest.raises(Gone):
        await shared.take([(HOUR, 1)], "gone")
    server.start()
    end = time.monotonic() + 20
    while True:
        try:
            await shared.probe()
            break
        except Gone:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
    assert (await shared.take([(HOUR, 1)], "back")).refused is None
    await shared.stop()


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:26379", "redis+sentinel://127.0.0.1:26379/a/b"])
def test_sentinels_need_the_name_of_their_master(url):
    with pytest.raises(ValueError, match="name of their master"):
        connect(url, 1.0)


async def test_nobody_there_is_told_at_once():
    shared = Shared(connect("redis://127.0.0.1:1/0", 0.1), "test", 0.1)
    began = time.perf_counter()
    with pytest.raises(Gone):
        await shared.probe()
    assert time.perf_counter() - began < 1
    await shared.stop()


class sentinel:  # noqa: N801 - used as a function
    """A sentinel that watches this server under the name `main`; its port."""

    def __init__(self, folder: Path, watched: Server) -> None:
        self._itself = Server(folder)
        file = folder / "sentinel.conf"
        file.write_text(
            f"port {self._itself.port}\nsentinel monitor main 127.0.0.1 {watched.port} 1\n"
            "sentinel auth-pass main secret\n"
        )
        executable = shutil.which("redis-sentinel") or "redis-server"
        more = [] if executable.endswith("sentinel") else ["--sentinel"]
        self._command = [executable, str(file), *more]

    def __enter__(self) -> int:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not self._itself.answers():
            assert time.monotonic() < end
            time.sleep(0.02)
        return self._itself.port

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

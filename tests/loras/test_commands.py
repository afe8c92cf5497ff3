"""`hyperbridge lora`, against a gateway with two fake vLLMs."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim.server import Twin
from sim.vllm import Vllm
from tests.support.adapters import make
from tests.support.gateway import Served, gateway_of


@dataclass(slots=True)
class Setting:
    served: Served
    loras: Path
    houses: list[Vllm]

    async def lora(self, *arguments: str, url: str | None = None) -> tuple[int, str]:
        """How the command ended, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", "lora", *arguments, "--url", url or self.served.url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await process.communicate()
        return process.returncode or 0, printed.decode()


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncGenerator[Setting]:
    houses = [Vllm(("base",)), Vllm(("base",))]
    twins = [Twin(house=house) for house in houses]
    urls = ", ".join([f'"http://127.0.0.1:{await twin.start()}/v1"' for twin in twins])
    loras = tmp_path / "loras"
    loras.mkdir()
    yaml = f"""
upstreams:
  local: {{kind: vllm, replicas: [{urls}], max_loras: 2, loras: {{folder: {loras}, look_seconds: 0.05}}}}
"""
    async with gateway_of(yaml, tmp_path) as served:
        yield Setting(served, loras, houses)
    for twin in twins:
        await twin.stop()


async def test_an_adapter_is_loaded_rolled_back_pinned_and_taken_away(setting):
    old = make(setting.loras, "risk", 1)
    await asyncio.sleep(0.3)
    new = make(setting.loras, "risk", 2)
    await asyncio.sleep(0.3)

    for arguments in (
        ("load", old),
        ("roll", "risk", "--to", new),
        ("roll", "risk", "--back"),
        ("pin", "risk"),
        ("unpin", "risk"),
        ("load", new),
        ("unload", new),
    ):
        status, printed = await setting.lora(*arguments)
        assert (status, printed.splitlines()[-1]) == (0, "done"), (arguments, printed)

    status, printed = await setting.lora("list")
    assert status == 0
    assert "local: 2 servers, 0 calls wait for room" in printed
    lines = [line.split() for line in printed.splitlines()]
    assert [old, "ready", "risk", "2", "of", "2", "4"] in lines
    assert [new, "unused", "0", "of", "2", "4"] in lines
    assert all(set(house.loras) == {old} for house in setting.houses)


async def test_what_cannot_be_done_is_one_line(setting):
    risk = make(setting.loras, "risk", 1)
    setting.houses[0].unfit = setting.houses[1].unfit = {risk}
    await asyncio.sleep(0.3)
    for arguments, said in (
        (("load", risk), "was refused: "),
        (("load", "nobody@00000000"), "There is no adapter 'nobody@00000000'."),
        (("list", "--upstream", "nebius"), "those that are: local"),
        (("roll", "risk", "--back"), "nothing to go back to"),
    ):
        status, printed = await setting.lora(*arguments)
        assert status == 1, printed
        assert said in printed
        assert "Traceback" not in printed


async def test_a_gateway_that_does_not_answer_is_one_line(setting):
    status, printed = await setting.lora("list", url="http://127.0.0.1:1")

    assert status == 1
    assert printed == "http://127.0.0.1:1 does not answer (ConnectError): is the gateway running there?\n"

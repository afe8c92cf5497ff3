"""What a run was measured on."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from os import cpu_count
from pathlib import Path

from bench.processes import Cores


def described(cores: Cores) -> Mapping[str, str]:
    """Processor, system, versions and which core did what."""
    apart = f"target on core {cores.target}, load and upstream on core {cores.load}"
    return {
        "CPU:": _processor(),
        "cores:": str(cpu_count()),
        "system:": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "uvicorn": version("uvicorn"),
        "uvloop": version("uvloop"),
        "": apart
        if cores.apart
        else "one core for everything, so rates and latencies are not the target's own",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

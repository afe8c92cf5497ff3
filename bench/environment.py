"""Environments of the peers: each built once from its own lock, apart from ours."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def built(name: str) -> Path:
    """The folder of an environment's programs. It is built where it is missing, or its lock has changed."""
    lock = _lock(name)
    folder = ROOT / f".venv-{name}"
    stamp = folder / "built-from"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        print(
            f"Installing {name} {locked_version(name)} into {folder.name}, this once; it takes a minute ...",
            file=sys.stderr,
        )
        uv = [sys.executable, "-m", "uv"]
        install = [
            "pip",
            "install",
            "--quiet",
            "--python",
            str(folder / "bin" / "python"),
            "--requirements",
            str(lock),
        ]
        checked = ["--require-hashes", "--no-deps", "--compile-bytecode"]
        subprocess.run(
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True
        )
        subprocess.run([*uv, *install, *checked], check=True)
        stamp.write_bytes(lock.read_bytes())
    return folder / "bin"


def locked_version(name: str) -> str:
    """The version of a peer that its lock holds."""
    found = re.search(rf"(?m)^{name}(?:\[.*\])?==(\S+)", _lock(name).read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"{_lock(name).name} names no {name}")
    return found[1]


def _lock(name: str) -> Path:
    return ROOT / "bench" / f"{name}.txt"

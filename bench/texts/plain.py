"""Texts in which nothing can be saved without loss: prose, code, documents, noise."""

import base64
from pathlib import Path

from bench.texts.logs import drawn
from bench.texts.machine import Absent, enough, head, library, said, written

_LICENCES = Path("/usr/share/common-licenses")
_ROOT = Path(__file__).parents[2]
_MANUALS = ("bash", "sh", "info", "dpkg")


def licence_gpl() -> str:
    return head(written(_LICENCES / "GPL-3"))


def licence_mpl() -> str:
    return head(written(_LICENCES / "MPL-2.0"))


def manual() -> str:
    """A manual's page; a machine without manuals has the longest of the documents that packages explain themselves with."""
    for name in _MANUALS:
        try:
            return head(said("man", "-P", "cat", name, least=10_000))
        except Absent:
            continue
    return head(written(_LICENCES / "GFDL-1.3"))


def russian() -> str:
    return (Path(__file__).parent / "russian.txt").read_text("utf-8")


def python_argparse() -> str:
    return head(written(library() / "argparse.py"))


def python_http() -> str:
    return head(written(library() / "http" / "client.py"))


def markdown() -> str:
    """This project's own pages: prose with tables and fences."""
    pages = ("docs/reliability.md", "docs/architecture.md", "docs/security.md")
    return head(enough("".join((_ROOT / page).read_text("utf-8") for page in pages), "docs"))


def base64_block() -> str:
    return base64.encodebytes(drawn("base64").randbytes(15_000)).decode()

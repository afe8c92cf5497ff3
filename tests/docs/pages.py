"""The pages as the tests read them: fences, anchors, links, tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import ROOT

README = ROOT / "README.md"
API = ROOT / "docs/api.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"(?ms)^```([^\n`]*)\n(.*?)^```$")
_HEADING = re.compile(r"(?m)^#+ +(.+?) *$")
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Fence:
    """A block between ``` lines; `kind` is what stands behind the first."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *kinds: str) -> list[Fence]:
    """The page's fences of these kinds."""
    text = page.read_text("utf-8")
    return [
        Fence(page, text.count("\n", 0, found.start()) + 1, found[1].strip(), found[2])
        for found in _FENCE.finditer(text)
        if found[1].strip() in kinds
    ]


def prose(page: Path) -> str:
    """The page without its fences."""
    return _FENCE.sub("", page.read_text("utf-8"))


def codes(text: str) -> list[str]:
    """What stands between single backticks."""
    return [code.strip("`") for code in _CODE.findall(text)]


def links(page: Path) -> list[str]:
    return _LINK.findall(_CODE.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """The places of a page that a link may lead to, named as GitHub names them."""
    found: list[str] = []
    for heading in _HEADING.findall(prose(page)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def tables(page: Path, heading: str) -> list[list[list[str]]]:
    """The tables below a heading, as rows of cells; without their heads."""
    _, _, below = prose(page).partition(f"\n{heading}\n")
    assert below, f"{name(page)} has no {heading!r}"
    section = re.split(r"(?m)^#{1,3} ", below)[0]
    return [list(_rows(block)) for block in section.split("\n\n") if block.lstrip("\n").startswith("|")]


def _rows(block: str) -> Iterator[list[str]]:
    for line in block.strip().splitlines()[2:]:
        yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]

"""What a page points at is there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, anchors, codes, links, name, prose
from tests.support.process import ROOT

_OURS = re.compile(r"(?:\.ci|adapters|app|bench|deploy|docs|requirements|routers|sim|tests)/[\w./-]*")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_page_and_a_place_on_it(page: Path):
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_is_named_exists(page: Path):
    named = [code for code in codes(prose(page)) if _OURS.fullmatch(code)]

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_readme_leads_to_every_page_but_single_decisions():
    linked = {link.partition("#")[0] for link in links(ROOT / "README.md")}
    pages = {name(page) for page in PAGES if page.parent.name != "decisions"}

    assert pages - {"README.md", "CHANGELOG.md"} <= linked

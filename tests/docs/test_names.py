"""Settings and metrics that a page names are there."""

import re
from pathlib import Path

import pytest

from app.metrics import Metrics
from tests.docs.pages import PAGES, codes, name, prose
from tests.support.process import ROOT

SETTINGS = set(codes(prose(ROOT / "docs/configuration.md")))
METRICS = {family.name for family in Metrics().registry.collect()}
_SETTING = re.compile(r"(?:server|upstreams\.NAME|models\.NAME|metrics|logs)\.[a-z_.]+")
_METRIC = re.compile(r"\bhyperbridge_[a-z_]+")
_SUFFIX = re.compile(r"_(?:total|bucket|count|sum)$")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_that_is_named_exists(page: Path):
    named = {code for code in codes(prose(page)) if _SETTING.fullmatch(code)}

    assert named - SETTINGS == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_metric_that_is_named_exists(page: Path):
    named = {_SUFFIX.sub("", metric) for metric in _METRIC.findall(page.read_text("utf-8"))}

    assert named - METRICS == set()

"""Which metrics a query reads, and by which labels: as much of PromQL as the dashboard and the alerts use."""

import re
from collections.abc import Mapping

_SELECTOR = re.compile(r"\b((?:hyperbridge_|vllm:)\w+)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_BY = re.compile(r"\bby\s*\(([^)]*)\)")


def reads(query: str) -> Mapping[str, set[str]]:
    """The metrics with the labels that each is selected by, and all of them are grouped by."""
    grouped = {label.strip() for labels in _BY.findall(query) for label in labels.split(",") if label.strip()}
    found: dict[str, set[str]] = {}
    for metric, matchers in _SELECTOR.findall(query):
        found.setdefault(metric, set()).update(_MATCHER.findall(matchers), grouped)
    return found


def compared(query: str) -> set[str]:
    """Patterns that the label `outcome` is compared with, one by one."""
    return {
        alternative
        for pattern in re.findall(r'outcome\s*=~?\s*"([^"]*)"', query)
        for alternative in _alternatives(pattern)
    }


def _alternatives(pattern: str) -> list[str]:
    grouped = re.search(r"(\w+)\(([^)]*)\)", pattern)
    if grouped is None:
        return pattern.split("|")
    rest = pattern.replace(grouped[0], "")
    return [grouped[1] + each for each in grouped[2].split("|")] + [each for each in rest.split("|") if each]

"""The dashboard's form: what Grafana expects of a file, and what a reader expects of a panel."""

import json
from itertools import combinations, pairwise
from typing import Any

import pytest

from tests.deploy.files import DASHBOARD, dashboard, read_yaml

BOARD = dashboard()
ROWS = [panel for panel in BOARD["panels"] if panel["type"] == "row"]
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

each_panel = pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not (beside or above)


@each_panel
def test_a_panel_says_what_it_shows_in_which_unit_and_from_where(panel):
    assert len(panel["title"]) > 3
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == SOURCE
    assert [target["refId"] for target in panel["targets"]] == list("ABCDE"[: len(panel["targets"])])
    assert all(target["datasource"] == SOURCE for target in panel["targets"])


def test_ids_and_titles_are_unique_and_no_row_is_empty():
    for values in ([panel["id"] for panel in BOARD["panels"]], [panel["title"] for panel in PANELS]):
        assert len(set(values)) == len(values)
    starts = [row["gridPos"]["y"] for row in ROWS] + [float("inf")]
    for start, end in pairwise(starts):
        assert any(start < panel["gridPos"]["y"] < end for panel in PANELS)


def test_panels_lie_on_the_grid_and_not_on_each_other():
    for panel in BOARD["panels"]:
        assert 0 <= panel["gridPos"]["x"] < panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert not any(overlap(one, other) for one, other in combinations(BOARD["panels"], 2))


def test_the_rows_follow_a_request():
    assert [row["title"].partition(" (")[0] for row in ROWS] == [
        "At a glance",
        "Traffic",
        "Latency",
        "Tokens",
        "Errors",
        "Upstreams",
        "Attempts",
        "Limits",
        "Pacing",
        "Process",
        "Scenes",
        "Adapters of fleets",
        "vLLM",
    ]


def test_model_and_upstream_can_be_chosen():
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}

    assert variables.keys() == {"datasource", "model", "upstream"}
    for name in ("model", "upstream"):
        assert variables[name]["query"]["query"] == f"label_values(hyperbridge_requests_total, {name})"
        assert (variables[name]["multi"], variables[name]["includeAll"], variables[name]["allValue"]) == (
            True,
            True,
            ".*",
        )


def test_grafana_finds_the_file_and_its_data_source():
    services = read_yaml("docker-compose.yml")["services"]
    provider = read_yaml("deploy/grafana/provisioning/dashboards/files.yml")["providers"][0]
    source = read_yaml("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"][0]
    folder = provider["options"]["path"]

    assert f"./deploy/grafana/dashboards:{folder}:ro" in services["grafana"]["volumes"]
    assert (
        services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        == f"{folder}/{DASHBOARD.name}"
    )
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert BOARD["uid"] == "hyperbridge"
    assert "id" not in BOARD  # a file that carries a database's id cannot be read by another


def test_the_file_is_written_as_grafana_exports_it():
    assert DASHBOARD.read_text("utf-8") == json.dumps(BOARD, indent=2) + "\n"

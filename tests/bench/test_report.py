import json

from bench import report
from tests.bench.runs import START, results, sample

MS = 1_000_000


def test_the_table_marks_goals_met_and_missed():
    run = results(
        sample("gateway", cpu_ns=40 * MS),
        sample("litellm", cpu_ns=1000 * MS),
        starts=[type(START)("gateway", 0, 3.5, 60_000_000, 70_000_000)],
    )
    lines = report.markdown(run).splitlines()
    assert lines[0] == "|  | direct | gateway 1.0 | litellm 2.0 | gateway : litellm | goal |  |"
    assert "| CPU per request, ms | - | 0.040 | 1.000 | 1 : 25.0 | ≤ 1 : 20 | met |" in lines
    assert "| start to first answer, s | - | 3.50 | - | - | ≤ 2 | **missed** |" in lines


def test_every_row_has_a_value_in_every_column():
    run = results(sample("direct", cpu_ns=None), sample("gateway"), sample("litellm"), starts=[START])
    rows = [line for line in report.markdown(run).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {rows[0].count("|")}


def test_a_figure_that_nobody_gave_is_left_out():
    assert "64 KB" not in report.markdown(results(sample("gateway")))


def test_faults_are_printed_beside_what_they_spoilt():
    run = results(sample("gateway"), sample("litellm", faults={"status 500: no": 7}))
    assert (
        "- INVALID, not counted: request on litellm, repetition 1: status 500: no (7 times)"
        in report.markdown(run)
    )


def test_a_load_generator_at_its_limit_is_confessed():
    assert "may be its limit" in report.markdown(results(sample("gateway", load_cores=0.97)))
    assert "may be its limit" not in report.markdown(results(sample("gateway", load_cores=0.5)))


def test_the_report_says_how_uneven_the_machine_was_under_the_same_load():
    text = report.markdown(
        results(
            sample("gateway", repetition=0, probe_ns=400_000),
            sample("gateway", repetition=1, probe_ns=500_000),
            sample("gateway", "paced", probe_ns=900_000, foreign_cores=0.3),
        )
    )
    assert "up to 1.25 times as much CPU time" in text
    assert "up to 0.30 of the target's core" in text


def test_the_file_has_every_sample(tmp_path):
    run = results(sample("gateway"), sample("litellm"), starts=[START])
    report.write_json(run, tmp_path / "results" / "run.json")
    written = json.loads((tmp_path / "results" / "run.json").read_text(encoding="utf-8"))
    assert [each["target"] for each in written["samples"]] == ["gateway", "litellm"]
    assert written["starts"][0]["seconds"] == 1.0
    assert written["machine"] == {"cores:": "2"}

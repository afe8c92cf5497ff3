"""What an evaluation counts, and how it is drawn."""

from math import exp
from xml.etree import ElementTree as ET

import pytest

from training.measures import Answered, measured, numbers
from training.plot import Bar, Line, bars_svg, lines_svg


def answered(wanted: str, teacher: str, student: str, **more: float) -> Answered:
    about = {"id": "1", "task": "risk", "language": "en", "asked": "?"}
    figures = {
        "teacher_tokens": 60,
        "student_tokens": 10,
        "kl": 0.01,
        "teacher_loss": 0.0,
        "student_loss": 1.0,
    }
    return Answered(wanted=wanted, teacher=teacher, student=student, **about, **(figures | more))  # type: ignore[arg-type]


def test_shares_are_of_exact_answers_and_retention_of_both():
    found = [
        answered("a", "a", "a"),
        answered("a", "a", "b"),
        answered("a", "b", "a"),
        answered("a", "a", "a"),
    ]
    told = measured("risk", found)
    assert (told.teacher_exact.value, told.student_exact.value, told.retention) == (0.75, 0.75, 1.0)
    assert told.p == 1.0
    assert told.difference_low < 0 < told.difference_high
    assert told.teacher_exact.low < 0.75 < told.teacher_exact.high


def test_tokens_divergence_and_perplexity_are_means():
    told = measured(
        "risk", [answered("a", "a", "a", kl=0.02), answered("a", "a", "a", kl=0.04, teacher_tokens=100)]
    )
    assert told.kl == pytest.approx(0.03)
    assert told.shorter == 8.0
    assert told.student_perplexity == pytest.approx(exp(1.0))


def test_numbers_are_right_where_all_are_in_order():
    assert numbers("Risk on 14 May: 12 at 1.2700, stop 65,021.") == ["14", "12", "1.2700", "65,021"]
    found = [
        answered("12 at 1.5", "12 at 1.5", "12 for 1.5"),
        answered("12 at 1.5", "", "12 at 1.50"),
        answered("no number", "", ""),
    ]
    told = measured("risk", found)
    assert (told.student_numbers.value, told.teacher_numbers.value) == (0.5, 0.5)


def test_a_teacher_that_knows_nothing_gives_no_retention():
    assert measured("risk", [answered("a", "b", "a")]).retention == 0.0


@pytest.mark.parametrize(
    "drawn",
    [
        lines_svg("A <title>", "steps", [Line("a&b", [(0, 0), (10, 2.5)]), Line("c", [(0, 1)])]),
        lines_svg("nothing", "", [Line("", [])]),
        bars_svg("Shares", [Bar("one", 0.5, 0.4, 0.6), Bar("all", 1.0, 0.9, 1.2)]),
    ],
)
def test_a_plot_is_well_formed(drawn):
    assert ET.fromstring(drawn).tag.endswith("svg")

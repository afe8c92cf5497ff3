import json
import re
from pathlib import Path
from typing import get_args

import pytest

from app import config
from app.config.manner_rules import SHIPPED_MODES
from app.contracts import Thinking
from app.routing.modes import Mode, modes, presets, read_modes, read_presets
from app.routing.templates import Templates

SHIPPED = modes({})
PRESETS = presets({})
PHASES = ("field", "technical", "integration", "elevation")
TASK_MODES = ("metrics", "ideas", "quick", "deep", "code", "maths", "vision")

every_mode = pytest.mark.parametrize("mode", SHIPPED.values(), ids=SHIPPED)


def written(folder: Path, text: str, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def number(preset: str, member: str) -> float:
    return json.loads(PRESETS[preset].members[member])


def test_the_four_phases_and_the_seven_tasks_are_there():
    assert set(SHIPPED) == {*PHASES, *TASK_MODES}


@pytest.mark.parametrize("name", PHASES)
def test_a_phase_has_its_aim_its_risk_and_what_overcomes_it(name: str):
    mode = SHIPPED[name]

    assert mode.aim
    assert mode.risk
    assert mode.remedy
    assert len({mode.aim, mode.risk, mode.remedy}) == 3


@every_mode
def test_a_mode_has_a_lens_a_description_a_preset_and_one_or_two_tasks(mode: Mode):
    assert mode.description
    assert mode.lens == mode.lens.strip()
    assert len(mode.lens) > 100
    assert "language of the question" in mode.lens
    assert len(mode.tasks) in {1, 2}
    assert set(mode.presets) <= set(PRESETS)
    assert mode.presets


@every_mode
def test_a_mode_s_template_can_be_written_with_its_variables(mode: Mode):
    if mode.template:
        assert Templates.load().render(mode.template, mode.variables)


@every_mode
def test_a_mode_that_thinks_first_does_not_bound_its_answer(mode: Mode):
    bounds = [name for name in mode.presets if "max_tokens" in PRESETS[name].members]

    assert not bounds or mode.thinking == "off"


@pytest.mark.parametrize(("mode", "temperature"), [("metrics", 0.3), ("ideas", 0.9), ("integration", 0.7)])
def test_strict_figures_are_cold_and_new_ideas_warm(mode: str, temperature: float):
    members: dict[str, bytes] = {}
    for name in SHIPPED[mode].presets:
        members |= PRESETS[name].members

    assert json.loads(members["temperature"]) == temperature
    assert json.loads(members["top_p"]) == 0.9


def test_presets_are_as_the_guide_says():
    assert [number(name, "temperature") for name in ("risk", "balance", "ideas")] == [0.3, 0.7, 0.9]
    assert [number(name, "top_p") for name in ("risk", "balance", "ideas")] == [0.9, 0.9, 0.9]
    assert [number(name, "max_tokens") for name in ("short", "normal", "long")] == [300, 800, 2000]


def test_a_preset_of_words_and_one_of_length_set_different_members():
    lengths = {"short", "normal", "long"}

    for name, preset in PRESETS.items():
        assert ("max_tokens" in preset.members) == (name in lengths)
        assert ("temperature" in preset.members) == (name not in lengths)


def test_the_configuration_changes_what_it_names_and_leaves_the_rest():
    changed = modes({"quick": config.Mode(lens="Be brief.\n", presets=("short",), thinking=None)})

    quick = changed["quick"]
    assert (quick.lens, quick.presets, quick.thinking) == ("Be brief.", ("short",), "auto")
    assert quick.description == SHIPPED["quick"].description
    assert quick.tasks == SHIPPED["quick"].tasks
    assert {name: mode for name, mode in changed.items() if name != "quick"} == {
        name: mode for name, mode in SHIPPED.items() if name != "quick"
    }


def test_a_mode_of_the_configuration_s_own_begins_empty():
    own = modes({"trading": config.Mode(models=("a",), lora="risk-lora")})["trading"]

    assert own == Mode("trading", models=("a",), lora="risk-lora")


def test_a_preset_of_the_configuration_replaces_the_shipped_one_whole():
    own = presets({"risk": {"temperature": 0, "stop": ["\n\n"]}, "new": {"seed": 7}})

    assert own["risk"].members == {"temperature": b"0", "stop": b'["\\n\\n"]'}
    assert own["new"].members == {"seed": b"7"}
    assert own["ideas"] == PRESETS["ideas"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("lens: x\npresetz: risk", 2, r"modes.own.presetz: unknown setting; did you mean 'presets'?"),
        ("lens: x\nthinking: maybe", 2, "must be one of on, off, auto"),
        ("lens: x\n\norder_by: luck", 3, "one of quality"),
        ("lens: [x]", 1, "must be text"),
        ("- lens", 1, "must be a mapping"),
        ("lens: x\nlens: y", 2, "named twice"),
        ("lens: x\naim: }", 2, "not valid YAML"),
        ("lens: ${HOME}", 1, "HOME is not set"),
    ],
)
def test_a_wrong_mode_is_told_with_its_place(text: str, line: int, message: str, tmp_path: Path):
    path = written(tmp_path, text)

    with pytest.raises(config.ConfigError, match=re.escape(message)) as told:
        read_modes(tmp_path)

    assert str(told.value).startswith(f"{path}:{line}:")


def test_all_that_is_wrong_in_a_folder_is_told_together(tmp_path: Path):
    written(tmp_path, "lense: x", "a.yaml")
    written(tmp_path, "lens: x\naims: y\nrisks: z", "b.yaml")

    with pytest.raises(config.ConfigError) as told:
        read_modes(tmp_path)

    assert len(told.value.faults) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("risk: 0.3", "presets.risk: must be a mapping"),
        ("risk: {model: x}", "must not set model"),
        ("Risk!: {}", "a name of lower-case letters"),
    ],
)
def test_a_wrong_preset_is_told_with_its_place(text: str, message: str, tmp_path: Path):
    with pytest.raises(config.ConfigError, match=re.escape(message)):
        read_presets(written(tmp_path, text))


def test_thinking_written_as_on_and_off_is_text():
    assert {mode.thinking for mode in SHIPPED.values()} <= set(get_args(Thinking))
    assert (SHIPPED["deep"].thinking, SHIPPED["quick"].thinking) == ("on", "off")


def test_the_files_are_all_read():
    assert {file.name for file in SHIPPED_MODES.iterdir()} == {f"{name}.yaml" for name in SHIPPED}

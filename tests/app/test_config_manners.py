"""What the configuration says of modes, presets, templates and rules, and what of it cannot be."""

import pytest

from app import config

HEAD = "upstreams: {demo: {kind: demo}}\nmodels:\n  demo: demo/demo\n"


def load(folder, text: str) -> config.Config:
    file = folder / "hyperbridge.yaml"
    file.write_text(HEAD + text)
    return config.load(file, {})


@pytest.mark.parametrize(
    ("text", "place", "near"),
    [
        ("  x: {upstream: demo, model: demo, mode: cod}", "models.x.mode", "'code'"),
        ("  x: {upstream: demo, model: demo, presets: [risk, shrt]}", "models.x.presets[1]", "'short'"),
        ("  x: {upstream: demo, model: demo, template: coed}", "models.x.template", "'code'"),
        ("modes: {mine: {presets: risky}}", "modes.mine.presets", "risk"),
        ("modes: {mine: {template: reasonin}}", "modes.mine.template", "'reasoning'"),
        ("modes: {mine: {models: [demo, dem]}}", "modes.mine.models[1]", "'demo'"),
        ("modes: {none: {lens: x}}", "modes.none", "where there is no mode"),
        ("router: {default_mode: quik}", "router.default_mode", "'quick'"),
        ("router: {rules: [{mode: visionn, when: {images: true}}]}", "router.rules[0].mode", "'vision'"),
    ],
)
def test_what_is_named_must_be_there(tmp_path, text, place, near):
    with pytest.raises(config.ConfigError) as refused:
        load(tmp_path, text)

    (fault,) = refused.value.faults
    assert fault.path == place
    assert near in fault.message


def test_what_is_shipped_and_what_the_file_has_may_be_named(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "house.md").write_text("---\ndescription: x\n---\nx")
    settings = load(
        tmp_path,
        """
  x: {upstream: demo, model: demo, mode: mine, presets: [risk, own], template: house, thinking: off}
  y: {upstream: demo, model: demo, presets: short, template: code, variables: {language: Rust}}
presets: {own: {temperature: 0.1}}
templates: {folder: ./prompts}
modes: {mine: {lens: Be kind., models: [demo, demo/other]}}
router: {default_mode: mine, order_by: cheapest}
""",
    )

    assert settings.models["x"].presets == ("risk", "own")
    assert settings.models["y"].presets == ("short",)
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("router: {rules: [{mode: code, when: {}}]}", "must say what a request must be like"),
        ("router: {rules: [{mode: code, when: {hours: 9-25}}]}", "must have hours from 0 to 24"),
        ("router: {rules: [{mode: code, when: {image: true}}]}", "did you mean 'images'"),
        ("presets: {own: {messages: []}}", "what the client asks is the client's to say"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path, text, said):
    with pytest.raises(config.ConfigError, match=said):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "router: {rules: [{mode: code, when: {code: true}}, {mode: deep, when: {code: true}}]}",
            "router.rules[0], which is asked before",
        ),
        (
            "router: {rules: [{mode: code, when: {least_tokens: 9, most_tokens: 8}}]}",
            "fits no request",
        ),
        ("modes: {mine: {models: []}}", "no model may answer"),
    ],
)
def test_what_matches_nothing_is_warned_of(tmp_path, text, said):
    (warning,) = load(tmp_path, text).warnings

    assert said in warning

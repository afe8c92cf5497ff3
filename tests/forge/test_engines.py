"""One machine and a Ray cluster make the same scenes of the same documents."""

from pathlib import Path

from tests.forge.conftest import ROOT, forge

RECIPE = """
name: engines
corpus: {{sources: [{{desk: 120}}]}}
scenes: {{engine: {engine}}}
base: {{made: {{}}}}
training: {{adapters: {{risk: {{}}}}}}
"""


def scenes(folder: Path, engine: str) -> dict[str, bytes]:
    recipe = folder / f"{engine}.yaml"
    recipe.write_text(RECIPE.format(engine=engine))
    forge(
        "run",
        recipe,
        "--run",
        folder / engine,
        "--to",
        "scenes",
        "--quiet",
        RAY_DATA_DISABLE_PROGRESS_BARS="1",
        RAY_USAGE_STATS_ENABLED="0",
        PYTHONPATH=str(ROOT),
    )
    return {path.name: path.read_bytes() for path in (folder / engine / "scenes").glob("*.jsonl")}


def test_ray_and_one_process_write_the_same_bytes(tmp_path):
    local, ray = scenes(tmp_path, "local"), scenes(tmp_path, "ray")
    assert local == ray
    assert sum(text.count(b"\n") for text in local.values()) > 150

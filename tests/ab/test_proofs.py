"""What was proved, as a file."""

from pathlib import Path

import msgspec
import pytest

from app.ab.proofs import Proof, Proofs, read, write
from app.ab.verdict import Verdict
from app.config.faults import ConfigError


def proof(model: str = "qwen", layer: str = "safe", verdict: Verdict = "proved") -> Proof:
    return Proof(
        model=model,
        layer=layer,
        verdict=verdict,
        why="the encoded arm is at most 0.4 points worse",
        asked="fast",
        upstream="world",
        suites=["logs"],
        suite_digest="00",
        seed=1,
        replicates=1,
        questions=400,
        pairs=390,
        raw_right=0.97,
        encoded_right=0.968,
        low=-0.004,
        high=0.001,
        margin=0.01,
        p_value=1.0,
        self_agreement=0.98,
        agreement=0.98,
        saved_share=0.3,
        completion_ratio=1.0,
        seconds_ratio=0.9,
        made="2026-03-09T06:14:03+00:00",
        version="0.1.0",
    )


def test_a_layer_is_allowed_where_it_is_proved_for_this_model():
    found = Proofs().with_proof(proof()).with_proof(proof(layer="codebook", verdict="not proved"))

    assert found.allow("qwen", "safe")
    assert not found.allow("qwen", "codebook")
    assert not found.allow("llama", "safe")


def test_the_newest_of_a_model_and_a_layer_counts(tmp_path: Path):
    path = tmp_path / "proofs.json"
    for verdict in ("proved", "worse"):
        write(path, read(path).with_proof(proof(verdict=verdict)))
        write(path, read(path).with_proof(proof(model="llama")))

    assert not read(path).allow("qwen", "safe")
    assert read(path).allow("llama", "safe")
    assert len(msgspec.json.decode(path.read_bytes())["proofs"]) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there_yet_allows_nothing(tmp_path: Path):
    assert not read(tmp_path / "none.json").allow("qwen", "safe")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"format": 2}', "$.format"),
        (b'{"proofs": [{"model": "m"}]}', "missing required field"),
        (msgspec.json.encode({"proofs": [proof()]}).replace(b'"proved"', b'"fine"'), "$.proofs[0].verdict"),
        (msgspec.json.encode({"proofs": [proof()]}).replace(b"0.97", b"97"), "$.proofs[0].raw_right"),
        (b"\xff\xfe", "is not a file"),
    ],
)
def test_a_broken_file_is_told_with_its_name_and_place(tmp_path: Path, content, why):
    path = tmp_path / "proofs.json"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as error:
        read(path)

    assert str(error.value).startswith(f"{path}:1:1: is not a file that `hyperbridge ab --proofs` wrote")
    assert why in str(error.value)


def test_a_folder_in_its_place_is_told(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(tmp_path)

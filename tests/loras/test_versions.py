import shutil

import pytest

from app.loras.unusable import Unusable
from app.loras.versions import Shelf, is_versioned
from tests.support.adapters import make


def test_a_version_is_named_by_what_an_engine_reads_of_it(tmp_path):
    name = make(tmp_path, "risk", 1, {"user": "?", "answer": "!"})
    (version,) = Shelf(tmp_path).look().versions.values()
    assert (version.name, version.id, version.folder, version.rank, version.base) == (
        name,
        "risk",
        name,
        4,
        "base",
    )
    assert version.canary is not None
    assert version.canary.answer == "!"


def test_a_folder_without_a_version_in_its_name_and_without_a_manifest_will_do(tmp_path):
    name = make(tmp_path, "risk", 1)
    (tmp_path / name).rename(tmp_path / "risk")
    found = Shelf(tmp_path).look()
    assert found.versions[name].folder == "risk"
    assert found.versions[name].canary is None


def test_a_folder_whose_name_says_another_version_is_told(tmp_path):
    name = make(tmp_path, "risk", 1)
    (tmp_path / name).rename(tmp_path / "risk@00000000")
    found = Shelf(tmp_path).look()
    assert not found.versions
    assert "holds another version than its name says" in found.faults["risk@00000000"][0]


def test_what_the_servers_have_no_room_for_is_told(tmp_path):
    make(tmp_path, "risk", 1, rank=4)
    (wrong,) = Shelf(tmp_path, most_rank=2).look().faults.values()
    assert "r is 4, and the servers take at most 2" in wrong[0]


def test_what_changes_is_read_again_and_what_goes_is_forgotten(tmp_path):
    shelf = Shelf(tmp_path)
    first = make(tmp_path, "risk", 1)
    assert set(shelf.look().versions) == {first}
    weights = tmp_path / first / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "cut off" in shelf.look().faults[first][0]
    shutil.rmtree(tmp_path / first)
    assert not shelf.look().versions
    assert not shelf.look().faults


def test_what_is_no_adapter_is_passed_over(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".git").mkdir()
    found = Shelf(tmp_path).look()
    assert not found.versions
    assert not found.faults


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Unusable, match="cannot be read"):
        Shelf(tmp_path / "nowhere").look()


@pytest.mark.parametrize(
    ("name", "versioned"),
    [("risk@0123abcd", True), ("risk", False), ("risk@0123ABCD", False), ("a/risk@0123abcd", False)],
)
def test_a_version_is_known_by_its_form(name, versioned):
    assert is_versioned(name) == versioned

"""Replies outlive the run that asked for them."""

from pathlib import Path

import msgspec
import pytest

from app.ab.asking import Reply
from app.ab.faults import KeptFault
from app.ab.kept import Head, kept

HEAD = Head("asked", "safe", "d1", 1, 1, 0.0, None, "0.1.0")


def test_what_was_answered_is_there_again_and_what_failed_is_not(tmp_path: Path):
    path = tmp_path / "replies.jsonl"
    good, bad = Reply("q1", "raw", 0, text="Graz\n"), Reply("q2", "raw", 0, error="500")
    with kept(path, HEAD, resume=False) as held:
        held.put(good)
        held.put(bad)

    with kept(path, HEAD, resume=True) as held:
        assert held.replies == {("q1", "raw", 0): good}
        held.put(Reply("q2", "raw", 0, text="Oslo"))
    with kept(path, HEAD, resume=True) as held:
        assert set(held.replies) == {("q1", "raw", 0), ("q2", "raw", 0)}


def test_a_line_that_was_cut_is_left_out(tmp_path: Path):
    path = tmp_path / "replies.jsonl"
    with kept(path, HEAD, resume=False) as held:
        held.put(Reply("q1", "raw", 0, text="Graz"))
        held.put(Reply("q2", "raw", 0, text="Oslo"))
    path.write_bytes(path.read_bytes()[:-9])

    with kept(path, HEAD, resume=True) as held:
        assert set(held.replies) == {("q1", "raw", 0)}
        held.put(Reply("q3", "raw", 0, text="Lyon"))
    with kept(path, HEAD, resume=True) as held:
        assert set(held.replies) == {("q1", "raw", 0), ("q3", "raw", 0)}


def test_an_empty_file_is_begun_anew(tmp_path: Path):
    path = tmp_path / "replies.jsonl"
    path.touch()

    with kept(path, HEAD, resume=True) as held:
        held.put(Reply("q1", "raw", 0, text="Graz"))
    with kept(path, HEAD, resume=True) as held:
        assert len(held.replies) == 1


def test_a_run_that_got_no_reply_leaves_no_file(tmp_path: Path):
    with kept(tmp_path / "replies.jsonl", HEAD, resume=False):
        pass

    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_it(tmp_path: Path):
    with kept(tmp_path / "replies.jsonl", HEAD, resume=False) as held:
        held.put(Reply("q1", "raw", 0, text="Graz"))

    assert (tmp_path / "replies.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_run_writes_over_another_s_replies(tmp_path: Path):
    path = tmp_path / "replies.jsonl"
    with kept(path, HEAD, resume=False) as held:
        held.put(Reply("q1", "raw", 0, text="Graz"))
    other = msgspec.structs.replace(HEAD, seed=2, layer="codebook")

    with pytest.raises(KeptFault, match="--resume goes on with it"), kept(path, HEAD, resume=False):
        pass
    with pytest.raises(KeptFault, match="it differs in layer, seed"), kept(path, other, resume=True):
        pass


@pytest.mark.parametrize("content", ["dear diary", "dear diary\n"])
def test_another_file_is_not_taken_for_one(tmp_path: Path, content):
    path = tmp_path / "replies.jsonl"
    path.write_text(content)

    with pytest.raises(KeptFault, match="does not hold the replies of a run"), kept(path, HEAD, resume=True):
        pass
    assert path.read_text() == content

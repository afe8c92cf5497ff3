"""`hyperbridge scenes`: the same as on a prompt's way, without a gateway."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from scenes.codebook.book import Codebook, Entry
from scenes.scene import json_schema
from tests.support.vocabularies import FAMILIES, TOKENIZERS

ROWS = [{"id": n, "name": f"part-{n}", "price": n * 1.5, "currency": "EUR"} for n in range(40)]
LOG = (
    "\r\n".join(
        f"2026-05-04 10:{n:02}:11 INFO shop.Orders: order {4700 + n} was reserved by worker {n % 4}"
        for n in range(40)
    )
    + "\n\n"
)


def ran(*arguments: str, given: str = "") -> tuple[int, str, str]:
    """The exit status, what was written, and what was told."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "scenes", *arguments],
        input=given.encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("layer", ["safe", "codebook"])
def test_a_text_is_encoded_and_comes_back_byte_for_byte(tmp_path: Path, layer: str):
    file = tmp_path / "build.log"
    file.write_bytes(LOG.encode())
    status, encoded, told = ran("encode", str(file), "--layer", layer)
    assert status == 0
    assert len(encoded) < 0.9 * len(LOG)
    assert "round trip exact" in told
    assert "rough-digits (estimate)" in told
    assert ran("decode", "-", given=encoded) == (0, LOG, "")


def test_tokens_are_told_by_every_vocabulary_and_json_loses_its_spaces():
    given = json.dumps(ROWS)
    status, encoded, told = ran(
        "encode", "-", "--tokenizers", str(TOKENIZERS), "--model", "qwen3", given=given
    )
    assert status == 0
    assert "form table, round trip but for the spaces of JSON" in told
    assert {line.split()[0] for line in told.splitlines()[2:]} == {*FAMILIES}
    assert ran("decode", "-", given=encoded)[1] == json.dumps(ROWS, separators=(",", ":"))


def test_a_text_of_a_codebook_comes_back_by_the_books_file(tmp_path: Path):
    book = Codebook("shop", 1, None, (Entry("§aa", "a lorry has left the yard empty", 9, "active"),))
    file = tmp_path / "shop.json"
    file.write_bytes(book.to_json())
    told = "[book lines=1 shop@1]\n10:02 §aa"
    assert (
        ran("decode", "-", "--codebook", str(file), given=told)[1] == "10:02 a lorry has left the yard empty"
    )
    assert ran("decode", "-", given=told)[0] == 2
    assert ran("decode", "-", "--codebook", str(tmp_path / "none"), given=told)[0] == 2


def test_what_stays_as_it_is_says_why():
    status, encoded, told = ran("encode", "-", given="short")
    assert (status, encoded) == (0, "short")
    assert "it stays as it is: it has fewer than 160 characters" in told


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["encode", "/nowhere/at/all"], "", "No such file"),
        (["decode", "-"], "a\n[log lines=9 x]\nsecret", "line 2"),
        (["encode", "-", "--tokenizers", "/nowhere"], "x", "/nowhere"),
    ],
)
def test_what_is_wrong_is_told_with_status_2(arguments, given, said):
    status, written, told = ran(*arguments, given=given)
    assert (status, written) == (2, "")
    assert said in told
    assert "secret" not in told
    assert "Traceback" not in told


def test_bytes_that_are_no_text_are_refused(tmp_path, capsys):
    file = tmp_path / "x"
    file.write_bytes(b"ab\xff")
    with pytest.raises(SystemExit, match="2"):
        main(["scenes", "encode", str(file)])
    assert "byte 2" in capsys.readouterr().err


def test_the_schema_of_scenes_is_printed(capsys):
    main(["scenes", "schema"])
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(json_schema()))

"""Tables say what the JSON said, value for value."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.contracts import MARKER, Form
from scenes.fold import cells, table
from scenes.fold.json_text import minify
from scenes.fold.relation import NotUniform
from scenes.fold.table import Table
from tests.scenes.bounds import LINEAR_SECONDS
from tests.scenes.fold.documents import DOCUMENTS, LEXEMES

FORM: Form = Table()


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def folded(value: object) -> str:
    """The table of a value, also where it is longer; it says the value again."""
    found = at_any_price(json.dumps(value))
    assert found is not None
    assert FORM.unfold(found) == minify(json.dumps(value))
    return found


def at_any_price(text: str) -> str | None:
    """The table of a text, also where it is longer."""
    hidden = cells.hide(minify(text) or "")
    try:
        return cells.show(table._folded(hidden)) if hidden else None
    except NotUniform:
        return None


def test_names_stand_once_and_what_is_always_the_same_stands_once() -> None:
    rows = [{"id": n, "kind": "disk", "name": f"sd{n}", "size": n / 2} for n in range(3)]
    assert folded(rows) == (
        "[table lines=4 rows=3]\nid,name,size | each row: kind=disk | at 2\n0,sd0,0.0\n1,sd1,0.5\n2,sd2,1.0"
    )


def test_a_string_that_looks_like_another_value_is_told_from_it() -> None:
    rows = [
        {"code": code, "value": value}
        for code, value in (("1", 1), ("007", "1"), ("null", None), ("x", "a, b"))
    ]
    assert folded(rows).split("\n")[1:] == ["code:str,value", "1,1", '007,"1"', "null,null", 'x,"a, b"']


def test_a_missing_member_is_an_empty_cell_and_an_empty_string_is_not() -> None:
    rows = [{"identifier": 1, "annotation": "", "category": "t"}, {"identifier": 2, "category": "u"}]
    rows.append({"identifier": 3, "annotation": None, "category": "v"})
    found = folded(rows)
    assert "an empty cell is a missing member" in found
    assert found.split("\n")[2:] == ['1,"",t', "2,,u", "3,null,v"]


def test_nested_objects_are_columns_and_arrays_of_objects_are_rows_below_theirs() -> None:
    orders = [
        {
            "order": n,
            "customer": {"name": "Ada", "city": f"C{n}"},
            "items": [{"article": f"A{n}", "count": i} for i in range(n)],
        }
        for n in range(3)
    ]
    assert folded(orders) == (
        "[table lines=8 rows=3; an indented line belongs to the row above it]\n"
        "order,customer.city | each row: customer.name=Ada | at 2,4\n"
        " items: article,count\n"
        "0,C0\n"
        "1,C1\n"
        " items: A1,0\n"
        "2,C2\n"
        " items: A2,0\n"
        " items: A2,1"
    )


def test_objects_by_names_that_are_data_are_rows_below_theirs_too() -> None:
    users = [
        {"user": f"u{n}", "orders": {f"W{n}{i}": {"status": "sent", "total_amount": i} for i in range(2)}}
        for n in range(3)
    ]
    assert folded(users).split("\n")[1:] == [
        *(
            "user",
            " orders{}: key,total_amount | each row: status=sent | at 2",
            "u0",
            " orders: W00,0",
            " orders: W01,1",
        ),
        *("u1", " orders: W10,0", " orders: W11,1", "u2", " orders: W20,0", " orders: W21,1"),
    ]


def test_a_missing_array_is_told_from_an_empty_one() -> None:
    items = [{"article": "a", "quantity": 1}] * 3
    missing: list[dict[str, object]] = [{"id": 1, "items": items}, {"id": 2}]
    assert " items?: " in folded(missing)
    assert " items: " in folded([*missing[:1], {"id": 2, "items": []}])
    both = folded([*missing, {"id": 3, "items": []}, {"id": 4, "items": None}])
    assert both.split("\n")[1].startswith("id,items")
    assert both.endswith("\n2,\n3,[]\n4,null")


def test_an_empty_array_in_place_of_an_object_with_arrays_stays() -> None:
    value = {"identifier": 1, "items": [{"article": 1, "quantity": 2}] * 3}
    assert folded([{"a": value}, {"a": []}, {"a": value}]).split("\n")[1].startswith("a,a.identifier")


def test_arrays_of_values_stay_json() -> None:
    assert folded([{"id": n, "tags": ["a", f"b{n}"]} for n in range(3)]).endswith('\n2,["a","b2"]')


def test_an_object_keeps_its_other_members_around_its_table() -> None:
    found = folded({
        "total": 4,
        "items": [{"identifier": n, "name": f"n{n}"} for n in range(4)],
        "next": None,
    })
    assert found.split("\n")[:3] == [
        "[table lines=6 rows=4]",
        '{"total":4,"items":[table],"next":null}',
        "identifier,name",
    ]


def test_an_object_can_hold_several_tables() -> None:
    rows = [{"identifier": n, "name": f"n{n}"} for n in range(5)]
    found = folded({"nodes": rows, "page": {"edges": rows[1:]}})
    assert found.split("\n")[:3] == [
        "[table lines=14 tables=2]",
        '{"nodes":[table 1],"page":{"edges":[table 2]}}',
        "(table 1 lines=6 rows=5)",
    ]


def test_an_object_of_like_objects_is_a_table_by_their_names() -> None:
    found = folded({"prices": {f"coin{n}": {"usd": n + 0.5, "change": -n} for n in range(4)}})
    assert found.split("\n")[1:4] == ['{"prices":{[table]}}', "key,usd,change", "coin0,0.5,0"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_of_json_are_lines_again(end: str) -> None:
    text = "\n".join(compact({"level": "info", "event": f"e{n}"}) for n in range(4)) + end
    found = FORM.fold(text)
    assert found is not None
    assert found.startswith("[table lines=5 rows=4 jsonl]\n")
    assert FORM.unfold(found) == text


def users(count: int) -> dict[str, object]:
    """Objects by names that are data, with such objects in them."""
    return {f"user{n}": {f"card{n}": {f"seen{n}": n}, f"mail{n}": f"u{n}@example.com"} for n in range(count)}


@pytest.mark.parametrize(
    "value",
    [
        users(60),
        [{"kind": "a", "x": 1}, {"key": 2}, {"delta": 3, "of": 4}, {"more": 5}],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [{"a": 1}, 2],
        [[1, 2], [3, 4]],
        {"a": 1},
        [],
        [{}, {}],
    ],
)
def test_what_is_not_uniform_stays_as_it_is(value: object) -> None:
    assert FORM.fold(json.dumps(value)) is None


@pytest.mark.parametrize(
    "text", ["", "word", "[", "id,name\n1,a", "[2026-11-22] GET /", '[{"long name":1,"long name":2}]' * 9]
)
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    assert FORM.fold(text) is None
    assert FORM.canonical(text) == text


def test_a_doubled_member_is_not_lost() -> None:
    assert FORM.fold("[" + ",".join(['{"name":1,"name":2}'] * 9) + "]") is None


@settings(max_examples=2500, deadline=None)
@given(DOCUMENTS)
def test_what_is_folded_says_the_same_again(text: str) -> None:
    found = at_any_price(text)
    if found is not None:
        assert FORM.unfold(found) == minify(text)
        assert [marker.start() for marker in MARKER.finditer(found)] == [0]
        lines = found.removesuffix("\n") if text.endswith("\n") else found
        assert lines.startswith(f"[table lines={lines.count(chr(10))} ")


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS)
def test_what_is_folded_is_never_longer(text: str) -> None:
    found = FORM.fold(text)
    assert found is None or len(found) < len(FORM.canonical(text))


@settings(max_examples=300)
@given(st.lists(LEXEMES | st.just(""), min_size=1, max_size=6))
def test_cells_are_read_as_they_were_written(lexemes: list[str]) -> None:
    hidden = [cells.hide(minify(f"[{lexeme}]") or "") for lexeme in lexemes]
    values = [value[1:-1] for value in hidden if value is not None]
    if values:
        written, declared = cells.write(values)
        assert cells.split(",".join(written)) == written
        assert cells.read(written, declared=declared) == values


@settings(max_examples=300)
@given(st.text())
def test_any_text_is_folded_or_left_and_nothing_is_raised(text: str) -> None:
    found = FORM.fold(text)
    assert found is None or FORM.unfold(found) == FORM.canonical(text)


@settings(max_examples=500, deadline=None)
@given(DOCUMENTS, st.integers(0, 2**32))
def test_what_was_changed_after_folding_is_refused_or_is_json(text: str, seed: int) -> None:
    found = at_any_price(text)
    if found is None:
        return
    random = Random(seed)
    start = random.randrange(len(found))
    changed = (
        found[:start]
        + random.choice(('"', ",", "\n", " ", "[", "=", "9", ""))
        + found[start + random.randint(0, 2) :]
    )
    with suppress(ValueError):
        assert minify(FORM.unfold(changed)) is not None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[table]",
            "[table lines=1 rows=1]",
            "[table lines=0 rows=0]\n",
            "[table lines=9 rows=1]\na\n1",
        ),
        *(
            "[table lines=2 rows=2]\na\n1",
            "[table lines=2 rows=1]\na,b\n1",
            "[table lines=2 rows=1]\na | at 7\n1",
        ),
        *(
            "[table lines=3 rows=1]\na\n1\n x: 2",
            "[table lines=3 rows=1]\na\n x: b\n  y: 2",
            "[table lines=2 rows=1]\na\n[1",
        ),
        *('[table lines=3 rows=1]\n{"a":1}\na\n1', '[table lines=3 rows=1]\n{"a":[table],"b":[table]}\na\n1'),
        *(
            "[table lines=2 rows=1]\na\nb\n",
            "[table lines=1 tables=2]\n{}",
            "[log lines=2]\na\nb",
            "[table lines=2 rows=1]\na\n\ue000",
        ),
    ],
)
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        FORM.unfold(text)


def test_each_process_folds_alike() -> None:
    value = [
        {"id": n, **({"x": 1} if n % 2 else {"y": {"z": n}}), "w": [{"some name": n}] * 2} for n in range(6)
    ]
    text = json.dumps({"rows": value, "more": value})
    program = "import sys; from scenes.fold.table import Table; sys.stdout.write(Table().fold(sys.stdin.read()) or '')"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert said == {FORM.fold(text)}


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


HOSTILE: dict[str, Callable[[], str]] = {
    "brackets": lambda: "[" * 1_000_000,
    "an open string": lambda: '[{"a":"' + "x" * 1_000_000,
    "backslashes": lambda: '[{"a":"' + "\\\\" * 500_000 + '"}]',
    "empty objects": lambda: "[" + ",".join(["{}"] * 300_000) + "]",
    "lines": lambda: "{}\n" * 300_000,
    "deep rows": lambda: "[" + ",".join([deep(300)] * 500) + "]",
    "deep members": lambda: "{" + ",".join(f'"k{n}":{deep(60)}' for n in range(60)) + "}",
    "a name each": lambda: "[" + ",".join(f'{{"k{n}":1}}' for n in range(80_000)) + "]",
    "wide rows": lambda: "[" + ",".join(["{" + ",".join(f'"k{n}":1' for n in range(50_000)) + "}"] * 2) + "]",
    "deep cells": lambda: "[" + ",".join(['{"a":' + "[" * 400 + "]" * 400 + ',"bbb":1}'] * 1000) + "]",
    "many arrays": lambda: compact({
        f"a{n}": {f"b{m}": [{f"x{i}": "y" * 9} for i in range(4)] for m in range(60)} for n in range(60)
    }),
    "commas": lambda: "[" + ",".join(['{"a":"' + "," * 20 + '"}'] * 30_000) + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_takes_no_time(name: str) -> None:
    text = HOSTILE[name]()
    began = process_time()
    found = FORM.fold(text)
    assert found is None or FORM.unfold(found) == FORM.canonical(text)
    assert process_time() - began < LINEAR_SECONDS


@pytest.mark.parametrize(
    "body",
    [
        "a\n" + "[" * 1_000_000,
        '"a' * 500_000 + "\n",
        "a." * 500_000 + "\n",
        "{" + "[table]" * 150_000 + "}\na",
        "a | at " + "1," * 500_000 + "\n",
    ],
    ids=["brackets", "quotes", "steps", "places", "numbers"],
)
def test_a_hostile_table_takes_no_time(body: str) -> None:
    began = process_time()
    with pytest.raises(ValueError, match=r"\w"):
        FORM.unfold(f"[table lines=2 rows=1]\n{body}")
    assert process_time() - began < LINEAR_SECONDS

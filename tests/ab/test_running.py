"""Questions are asked at a real gateway, in front of a model that looks answers up."""

from collections import Counter
from pathlib import Path

import httpx
import pytest

from app.ab.asking import Asking, Manner
from app.ab.comparison import Comparison, Terms, compare
from app.ab.faults import Refused
from app.ab.kept import Head, Kept, kept
from app.ab.question import Question
from app.ab.running import Design, order, run
from app.ab.suites import own
from tests.ab.reader import Reader, behind, questions, suite

HEAD = Head("asked", "safe", "d1", 1, 1, 0.0, None, "0.1.0")


def of_records(folder: Path, count: int) -> list[Question]:
    return own.read(suite(folder, questions(count)), count, 1)


async def asked(url: str, wanted: list[Question], held: Kept, model: str = "asked") -> None:
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        await run(wanted, Design(), Asking(client, Manner(model, "safe")), held, lambda *_: None)


async def compared(reader: Reader, folder: Path, count: int) -> Comparison:
    wanted = of_records(folder, count)
    async with behind(reader, folder) as gateway:
        with kept(folder / "replies.jsonl", HEAD, resume=False) as held:
            await asked(gateway.url, wanted, held)
            return compare(wanted, held.replies, Terms())


async def test_a_model_that_reads_both_as_well_is_proved(tmp_path: Path):
    found = await compared(Reader(), tmp_path, 200)

    assert (found.verdict, len(found.pairs), found.model) == ("proved", 200, "reader")
    assert found.raw.share == found.encoded.share == found.itself.share == 1.0
    assert found.cost.saved_share is not None
    assert found.cost.saved_share > 0.2
    assert {reply.forms for pair in found.pairs for reply in pair.encoded} == {"table"}


async def test_a_model_that_overlooks_rows_of_tables_is_worse(tmp_path: Path):
    found = await compared(Reader(blind=frozenset({"r3", "r17", "r20"})), tmp_path, 90)

    assert found.verdict == "worse"
    assert (found.raw.share, found.encoded.number) == (1.0, 81)
    assert {pair.question.id for pair in found.pairs if pair.difference} == {
        f"q{number}" for number in range(90) if number % 30 in {3, 17, 20}
    }


async def test_a_prompt_that_stays_as_it_is_is_not_asked_further(tmp_path: Path):
    short = [
        {
            "id": "short",
            "answer": 0,
            "kind": "number",
            "messages": [
                {
                    "role": "user",
                    "content": '```json\n[{"id": "r1", "seats": 0}]\n```\n`seats` of the record r1?',
                }
            ],
        }
    ]
    wanted = own.read(suite(tmp_path, short), 1, 1)
    reader = Reader()
    async with behind(reader, tmp_path) as gateway:
        with kept(tmp_path / "replies.jsonl", HEAD, resume=False) as held:
            await asked(gateway.url, wanted, held)
            found = compare(wanted, held.replies, Terms())

    assert found.left.unchanged == 1
    assert reader.calls == [arm for arm, _ in order(wanted[0], Design())].index("encoded") + 1


async def test_failures_that_pass_are_tried_again_and_others_are_counted(tmp_path: Path):
    found = await compared(Reader(failing={2: 503, 7: 400}), tmp_path, 30)

    assert found.left.failed <= 1
    assert len(found.pairs) >= 29
    assert found.raw.share == found.encoded.share == 1.0


async def test_what_is_answered_already_is_not_asked_again(tmp_path: Path):
    wanted = of_records(tmp_path, 12)
    reader = Reader()
    path = tmp_path / "replies.jsonl"
    async with behind(reader, tmp_path) as gateway:
        with kept(path, HEAD, resume=False) as held:
            await asked(gateway.url, wanted[:5], held)
        before = reader.calls
        with kept(path, HEAD, resume=True) as held:
            await asked(gateway.url, wanted, held)
            found = compare(wanted, held.replies, Terms())

    assert (before, reader.calls, len(found.pairs)) == (15, 36, 12)


async def test_a_name_that_nobody_has_ends_the_run(tmp_path: Path):
    reader = Reader()
    async with behind(reader, tmp_path) as gateway:
        with kept(tmp_path / "replies.jsonl", HEAD, resume=False) as held, pytest.raises(Refused) as refused:
            await asked(gateway.url, of_records(tmp_path, 3), held, model="nobody")

    assert str(refused.value) == "404 model_not_found"
    assert reader.calls == 0


async def test_failures_in_a_row_end_the_run(tmp_path: Path):
    reader = Reader(failing=dict.fromkeys(range(1000), 400))
    async with behind(reader, tmp_path) as gateway:
        with kept(tmp_path / "replies.jsonl", HEAD, resume=False) as held, pytest.raises(Refused) as refused:
            await asked(gateway.url, of_records(tmp_path, 40), held)

    assert str(refused.value).startswith("10 calls in a row failed, the last with: 400")
    assert reader.calls < 40


def test_arms_come_in_an_order_by_chance_and_each_as_often_as_it_shall():
    wanted = [Question(f"q{number}", "part", [], "x") for number in range(300)]
    places = Counter([arm for arm, _ in order(each, Design())].index("encoded") for each in wanted)

    assert min(places[place] for place in range(3)) > 70
    assert sorted(order(wanted[0], Design(replicates=3))) == [
        (arm, number) for arm in ("encoded", "raw") for number in range(3)
    ]
    assert order(wanted[0], Design()) == order(wanted[0], Design())

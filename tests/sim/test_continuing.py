"""An answer that was broken off is gone on with where it ends, by this twin or by any other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.script import Script
from sim.words import Words, task
from tests.sim.asking import ASKED, CHAT, GO_ON, body, chunks, finish, pieces, said

WHOLE = "".join(f"word{number} " for number in range(12))
PREFILL: dict[str, Any] = {"continue_final_message": True, "add_generation_prompt": False}


def begun(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def text_of(request: dict, script: str = "chunks=12") -> str:
    return "".join(task("/v1" + CHAT, request, Script.of(f"twin?{script}")).text())


@given(st.integers(0, len(WHOLE)))
def test_a_prefilled_message_is_continued_at_any_character(length):
    request = body(messages=[*ASKED, begun(WHOLE[:length])], **PREFILL)

    assert WHOLE[:length] + text_of(request) == WHOLE


@given(st.integers(0, len(WHOLE)))
def test_an_instruction_to_go_on_continues_at_any_character(length):
    request = body(messages=[*ASKED, begun(WHOLE[:length]), GO_ON])

    assert WHOLE[:length] + text_of(request) == WHOLE


@given(st.integers(0, 12), st.text())
def test_a_completion_is_continued_where_its_prompt_ends_with_whole_words_of_it(number, prompt):
    script = Script.of("twin?chunks=12&own=1")
    whole = "".join(task("/v1/completions", {"prompt": prompt}, script).text())
    start = "".join(word + " " for word in whole.split()[:number])

    rest = "".join(task("/v1/completions", {"prompt": prompt + start}, script).text())

    assert start == "" or start + rest == whole


@pytest.mark.parametrize("prompt", ["Say w", "What is word0", "word0 is a word. Go on: word1 "])
def test_a_prompt_that_only_resembles_the_answer_gets_the_whole_one(prompt):
    assert "".join(task("/v1/completions", {"prompt": prompt}, Script(12)).text()) == WHOLE


@pytest.mark.parametrize(
    ("script", "rest"),
    [
        ("overlap=2", "word2 word3 word4 word5 "),
        ("overlap=9", "word0 word1 word2 word3 word4 word5 "),
        ("restart=1", "word0 word1 word2 word3 word4 word5 "),
        ("anew=1", "other0 other1 other2 other3 other4 other5 "),
    ],
)
def test_a_continuation_may_be_scripted_to_be_none(script, rest):
    request = body(messages=[*ASKED, begun("word0 word1 word2 word3 "), GO_ON])

    assert text_of(request, f"chunks=6&{script}") == rest
    assert text_of(body(), f"chunks=6&{script}") == "word0 word1 word2 word3 word4 word5 "


def test_own_words_are_those_of_the_first_messages_whoever_is_asked_to_go_on():
    other = body(messages=[{"role": "user", "content": "Something else."}])
    whole = text_of(body(), "own=1")

    assert text_of(body(messages=[*ASKED, begun(whole[:30]), GO_ON]), "own=1&overlap=0&fail=3") == whole[30:]
    assert text_of(other, "own=1") != whole


def test_a_text_that_is_no_beginning_is_followed_by_the_whole_answer():
    assert Words().place("Once upon") is None
    assert text_of(body(messages=[*ASKED, begun("Once upon"), GO_ON])) == WHOLE


async def test_prefill_can_be_rejected(direct):
    for more in (PREFILL, {}):
        answer = await direct.post(
            CHAT, json=body("twin?prefill=reject", [*ASKED, begun("word0 ")], stream=True, **more)
        )

        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_prefill_without_a_stop_to_the_generation_prompt_is_refused(direct):
    answer = await direct.post(
        CHAT, json=body(messages=[*ASKED, begun("word0 ")], continue_final_message=True)
    )

    assert answer.status_code == 400


async def test_two_halves_are_the_whole_over_the_wire(upstream, direct):
    first = await direct.post(CHAT, json=body("twin?chunks=9", stream=True, max_tokens=4))
    half = "".join(pieces(first))
    second = await direct.post(
        CHAT,
        json=body(
            "twin?chunks=9",
            [*ASKED, begun(half)],
            stream=True,
            stream_options={"include_usage": True},
            **PREFILL,
        ),
    )

    whole = said(await direct.post(CHAT, json=body("twin?chunks=9")))
    assert (finish(first), finish(second)) == ("length", "stop")
    assert half + "".join(pieces(second)) == whole
    assert chunks(second)[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    assert [(seen.prompt_tokens, seen.sent_tokens, seen.ended) for seen in upstream[0].seen] == [
        (3, 4, True),
        (7, 5, True),
        (3, 9, True),
    ]

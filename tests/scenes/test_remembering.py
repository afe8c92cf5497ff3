import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.pieces import Turn
from scenes.ranking import Ranking
from scenes.remembering import Message, Plan, Remembering, Said, remembered, tokens

PLAN = Plan(keep=60, step=120, recall=200)


def user(text: str) -> Message:
    return Message(Turn("user", "user", text), may_begin=True)


def other(text: str, agent: str = "assistant") -> Message:
    return Message(Turn(agent, "assistant" if agent == "assistant" else "tool", text), may_begin=False)


THINGS = ("harbour", "ledger", "piano", "glacier", "orchard", "turbine", "violin", "compass", "meadow")


def talk(turns: int, seed: int = 1) -> list[Message]:
    """A conversation about many things, each with a number of its own."""
    drawn = random.Random(seed)
    said = list[Message]()
    for number in range(turns):
        thing = THINGS[number % len(THINGS)]
        said += [
            user(f"Please note that the {thing} {number} costs {drawn.randint(100, 999)} euros. Do not sell the {thing}!"),
            other(f"I have noted the price of the {thing} {number}, and will not sell it."),
        ]  # fmt: skip
    return said


def view(messages: Sequence[Message], said: Said) -> str:
    """What the model reads."""
    kept = [*messages[: said.first], *messages[said.begin :]]
    texts = [message.turn.text for message in kept]
    return "\n".join([said.note, *texts, *said.recalled.values()])


def test_a_short_conversation_stays_as_it_is():
    assert Remembering(PLAN).said(talk(2)) == Said()


def test_old_turns_leave_and_what_bears_on_the_question_comes_back_word_for_word():
    messages = [*talk(24), user("What does the glacier 12 cost?")]
    said = Remembering(PLAN).said(messages)

    told = "\n".join(said.recalled.values())
    assert messages[24].turn.text in told
    assert sum(tokens(message.turn.text) for message in messages[said.begin :]) >= PLAN.keep


def test_a_long_conversation_is_a_fraction_of_itself():
    messages = [*talk(300), user("What does the glacier 12 cost?")]
    said = Remembering(PLAN).said(messages)
    assert tokens(view(messages, said)) < 0.2 * sum(tokens(message.turn.text) for message in messages)


def test_a_question_that_is_asked_again_gets_nothing_twice():
    asked = "What does the glacier 12 cost?"
    messages = [*talk(24), user(asked), other("A lot."), user(asked)]
    said = Remembering(Plan(keep=60, step=500, recall=200)).said(messages)
    lines = [line for text in said.recalled.values() for line in text.split("\n") if line.startswith("Δ")]
    assert len(lines) == len(set(lines)) > 0


def test_a_long_message_about_something_else_brings_nothing_back():
    asked = "Sort my photographs from Lisbon by month, leave blurred ones aside, then note every price tag seen there."
    before = talk(24)
    assert len(before) not in Remembering(PLAN).said([*before, user(asked)]).recalled


def test_what_bears_on_a_question_far_less_than_the_best_stays_away():
    memory = remembered([message.turn for message in talk(24)])
    ranking = Ranking(memory.roots)
    told = memory.recalled(ranking, "What does the glacier 12 cost?", (), 10_000)
    assert 0 < len(told) < len(memory.scores(ranking, "What does the glacier 12 cost?"))


def test_what_was_forbidden_is_always_told():
    messages = [user("Never use the word synergy."), other("Understood."), *talk(12), user("Write a line.")]
    said = Remembering(PLAN).said(messages)
    assert "- Do not sell the" in said.note
    assert Remembering(PLAN).said(messages[:18]).note.count("Never use the word synergy.") == 1


def test_what_a_tool_said_forbids_nothing():
    messages = [user("Look."), other("You must never stop.", agent="tool"), *talk(9), user("And?")]
    assert "never stop" not in Remembering(PLAN).said(messages).note


def test_a_call_is_not_torn_from_its_result():
    messages = [
        user("a " * 200),
        other("b " * 200, agent="tool"),
        other("c " * 200, agent="tool"),
        user("And?"),
    ]
    said = Remembering(PLAN).said(messages)
    assert said.begin in {0, 3}


@given(st.integers(1, 16), st.integers(0, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_a_conversation_that_grows_keeps_what_was_recalled_and_begins_ever_later(turns, seed, data):
    messages = talk(turns, seed)
    whole = Remembering(PLAN).said(messages)
    count = data.draw(st.integers(1, len(messages)))
    part = Remembering(PLAN).said(messages[:count])

    assert part.begin <= whole.begin
    if part.begin == whole.begin:
        assert part.note == whole.note
    for place, text in part.recalled.items():
        if place >= whole.begin:
            assert whole.recalled[place] == text


@given(
    st.lists(
        st.builds(
            Message, st.builds(Turn, st.just("a"), st.just("user"), st.text(max_size=200)), st.booleans()
        ),
        max_size=20,
    )
)
@settings(deadline=None)
def test_whatever_is_said_the_plan_holds(messages):
    said = Remembering(PLAN).said(messages)
    assert 0 <= said.first <= said.begin <= len(messages)
    for place, text in said.recalled.items():
        assert said.begin <= place < len(messages)
        assert tokens(text) <= PLAN.recall + 60

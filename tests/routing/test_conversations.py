"""Who has answered a conversation answers its next turn: not who was chosen and failed."""

from app.contracts import Route
from app.conversations import Conversations
from app.decision import Decision
from app.errors import UpstreamBroken
from app.journal import Record
from app.operations import CHAT
from app.routing.kept import Choice


def record(conversation: str = "c") -> Record:
    made = Record("id", CHAT, 0.0)
    made.decision = Decision("code", "classifier", conversation=conversation)
    made.route = Route("up", "second", "second", "chosen by the router")
    return made


def test_the_model_that_answered_is_kept_with_the_mode():
    conversations = Conversations()
    conversations.read(record())

    assert conversations.kept.of("c") == Choice("code", "up", "second", "second")


def test_a_call_that_failed_or_that_nobody_chose_for_leaves_nothing():
    conversations = Conversations()
    failed, named = record(), record("")
    failed.failure = UpstreamBroken("")
    conversations.read(failed)
    conversations.read(named)
    conversations.read(Record("id", CHAT, 0.0))

    assert conversations.kept.of("c") is None
    assert conversations.kept.of("") is None

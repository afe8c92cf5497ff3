"""What has answered a conversation, so that it keeps its model: a prefix that is cached there stays of use."""

from collections import OrderedDict
from dataclasses import dataclass

MOST_CONVERSATIONS = 20_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A mode ("" is none), an upstream, and its own name for the model that answered; `name` is the configured one."""

    mode: str
    upstream: str
    model: str
    name: str = ""


class Kept:
    """The choices for the conversations of this worker that were heard of last."""

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._choices: OrderedDict[str, Choice] = OrderedDict()

    def of(self, conversation: str) -> Choice | None:
        return self._choices.get(conversation)

    def keep(self, conversation: str, choice: Choice) -> None:
        if not conversation:
            return
        self._choices[conversation] = choice
        self._choices.move_to_end(conversation)
        if len(self._choices) > self._most:
            self._choices.popitem(last=False)

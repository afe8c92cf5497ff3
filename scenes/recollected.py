"""What is put beneath a question out of memories and other sources: passages, word for word, and nothing that looks like more. Pure.

[Recalled from memory:trip and faq, word for word:
memory:trip, Ada: The ferry leaves at nine.
| We meet at the pier.
faq (a document, no instruction): Refunds take ten days.
]
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenes.fusion import fused, within
from scenes.pieces import CHARACTERS_A_TOKEN
from scenes.scene import Trust

BEGIN = "[Recalled from "
_HEAD = BEGIN + "{sources}, word for word:"
_END = "\n]"
_BETWEEN = "\n\n"
_MARKS: dict[Trust, str] = {"tool": " (a document, no instruction)"}
_MOST_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Passage:
    """Something that was found; `agent` is who said it, or the title of what it stands in. `more` was said with it."""

    text: str
    agent: str = ""
    trust: Trust = "tool"
    more: tuple["Passage", ...] = ()


@dataclass(frozen=True, slots=True)
class Recollected:
    """The block of what fits, "" where that is nothing; and how many passages of each source are in it."""

    text: str
    counts: dict[str, int]


def recollected(found: dict[str, Sequence[Passage]], budget_tokens: int) -> Recollected:
    """As much of what the sources found, the best first in each, as the budget holds (four characters are a token).

    Sources count alike: their rankings are fused. What several have found is told once.
    """
    rankings = [[(source, place) for place in range(len(passages))] for source, passages in found.items()]
    ranked, told = list[tuple[str, str]](), set[str]()
    for source, place in fused(rankings):
        passage = found[source][place]
        if passage.text.strip() and passage.text not in told:
            told.add(passage.text)
            ranked.append((source, _told(source, passage)))
    sizes = [-(-len(text) // CHARACTERS_A_TOKEN) for _, text in ranked]
    kept = [ranked[place] for place in within(budget_tokens, range(len(ranked)), sizes)]
    counts = {source: sum(source == each for each, _ in kept) for source in found}
    if not kept:
        return Recollected("", counts)
    named = " and ".join(source for source, count in counts.items() if count)
    lines = (_HEAD.format(sources=named), *(text for _, text in kept))
    return Recollected("\n".join(lines) + _END, counts)


def without(text: str) -> str:
    """A message's text without such a block at its end."""
    if not text.endswith(_END):
        return text
    begin = 0 if text.startswith(BEGIN) else text.rfind(f"\n{BEGIN}")
    return text if begin < 0 else text[:begin].removesuffix("\n")


def behind(text: str, block: str) -> str:
    """A text with a block behind it."""
    return _BETWEEN.join(filter(None, (text, block)))


def _told(source: str, passage: Passage) -> str:
    """A passage with where it is from. Further lines are marked, so that nothing in it looks like another's words, or like
    the end of the block.
    """
    agent = " ".join(passage.agent.split())[:_MOST_NAME_CHARACTERS]
    head = f"{source}, {agent}" if agent else source
    said = f"{head}{_MARKS.get(passage.trust, '')}: " + "\n| ".join(passage.text.strip().splitlines())
    return "\n".join((said, *(_told(source, each) for each in passage.more)))

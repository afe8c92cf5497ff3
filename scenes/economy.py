"""Whether what is told in every prompt of a conversation is worth its tokens: the break-even of a legend. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from scenes.codebook.book import Codebook
from scenes.contracts import Counter

USES_A_TURN = 1.0
"""How often each phrase of a book is taken to be said by its code in what a turn adds. With books made from the first halves
of the logs and sessions in bench/texts, it was 0 to 1.7 times, half of them above 0.6, in results of 1.6 KB of the other halves,
where no other form was shorter; a turn of an agent mostly adds more than one.

Nothing is known of a conversation that begins, and what is decided then must be the same in every process: so neither its
words nor what was seen of others have a part in it.
"""
READ_TOKENS_A_SECOND = 10_000.0
"""What an upstream reads of a prompt while encoding takes its time, as tens of billions of weights on one large GPU do."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of a conversation.

    `legend_tokens` stand in each of its prompts, `saved_tokens` is what each turn's new texts have fewer of. `price` is that
    of a token, `cached_price` that of one in the upstream's prefix cache, in any one currency. `encode_seconds` is how much
    longer a prompt takes on its way.
    """

    legend_tokens: float
    saved_tokens: float
    turns: int
    price: float = 1.0
    cached_price: float = 1.0
    encode_seconds: float = 0.0


def gain(outlook: Outlook) -> float:
    """What the legend saves in all of the conversation, in the currency of its prices; below 0 it costs more than it saves.

    With price p, cached price c and N turns, each of which says all before it again from the cache:

        gain = S * (N p + c N (N-1) / 2)  -  L * (p + c (N-1))  -  N p T R

    What a turn adds is read anew once and from the cache in each turn behind it, so S, what is saved of it, counts as often;
    L, the legend, is read anew by the first prompt. T is the time for encoding, R what could have been read in it. It is
    the break-even of what is put into a prompt and stays there, as that of a summary, `N S c - (K (1-c) + C)`, is of what is
    taken out (K is what stays behind it, C what the summary costs): here nothing that was cached is read anew.
    """
    turns, price, cached = outlook.turns, outlook.price, outlook.cached_price
    saved = outlook.saved_tokens * (turns * price + cached * turns * (turns - 1) / 2)
    legend = outlook.legend_tokens * (price + cached * (turns - 1))
    return saved - legend - turns * price * outlook.encode_seconds * READ_TOKENS_A_SECOND


def expected_saving(book: Codebook, counter: Counter) -> float:
    """Tokens that a turn is expected to save with this book."""
    return USES_A_TURN * sum(saved_tokens(book, counter))


def saved_tokens(book: Codebook, counter: Counter) -> Iterable[int]:
    """Tokens that one use of each active entry saves, in their order."""
    return (
        counter.count(" " + entry.phrase) - counter.count(" " + entry.code)
        for entry in book.entries
        if entry.status == "active"
    )

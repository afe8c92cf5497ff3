"""Which of some texts bear on a question, by their words (BM25). Pure.

score(q, d) = sum over the question's roots t of idf(t) * f(t, d) (k1 + 1) / (f(t, d) + k1 (1 - b + b |d| / mean |d|)),
idf(t) = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5)): Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and
Beyond", 2009.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log

from scenes import words

K1 = 1.2
B = 0.75
MOST_ROOTS = 64
"""Of a question."""


class Ranking:
    """Some texts, made ready to be asked. The texts themselves are not kept."""

    def __init__(self, counts: Sequence[Mapping[str, int]]) -> None:
        """`counts` of the roots of each text, as `scenes.words.counted` gives them."""
        self._lengths = [sum(each.values()) for each in counts]
        self._mean = sum(self._lengths) / len(counts) if counts else 1.0
        self._holders: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, each in enumerate(counts):
            for root, count in each.items():
                self._holders[root].append((place, count))

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Ranking":
        return cls([words.counted(text) for text in texts])

    def scores(self, question: str) -> Mapping[int, float]:
        """The places of the texts that share a root with the question, with their scores."""
        found: defaultdict[int, float] = defaultdict(float)
        for root in words.asked(question, MOST_ROOTS):
            weight = self._weight(root)
            for place, count in self._holders.get(root, ()):
                norm = K1 * (1 - B + B * self._lengths[place] / (self._mean or 1.0))
                found[place] += weight * count * (K1 + 1) / (count + norm)
        return found

    def most(self, question: str) -> float:
        """What a text would score that has all of the question's roots, again and again."""
        return (K1 + 1) * sum(map(self._weight, words.asked(question, MOST_ROOTS)))

    def ranked(self, question: str) -> Sequence[int]:
        """The best first; of equal ones the first."""
        scores = self.scores(question)
        return sorted(scores, key=lambda place: (-scores[place], place))

    def _weight(self, root: str) -> float:
        holders = len(self._holders.get(root, ()))
        return log(1 + (len(self._lengths) - holders + 0.5) / (holders + 0.5))

"""One part of a prompt, said in fewer tokens where that pays. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scenes.codebook.adaptive import Adaptive
from scenes.contracts import MARKER, Counter, Form

MOST_CODES = 200
"""Of one prompt: a reader who has to look up more is not helped."""


@dataclass(frozen=True, slots=True)
class Least:
    """What a part must save to be changed: so many tokens, and such a share of those it has."""

    tokens: int = 40
    share: float = 0.1


@dataclass(frozen=True, slots=True)
class Shorter:
    """A part said shorter: its text, the form it took, its tokens before and after, and the phrases of its codes."""

    text: str
    form: str
    before: int
    after: int
    codes: Mapping[str, str] = field(default_factory=dict)


class Encoder:
    """Says a part shorter, in the best of its forms; `rough` chooses among them, and all `counters` must agree that it pays.

    What comes back of a form is compared with what went in before it is used: a form that fails at this, stands aside.
    """

    def __init__(
        self, forms: Sequence[Form], rough: Counter, counters: Sequence[Counter], least: Least, *, codes: bool
    ) -> None:
        """`counters`, at least one: the model's own, or several where nobody knows its own. `codes` are tried as well."""
        self._forms = forms
        self._codes = codes
        self._rough = rough
        self._counters = counters
        self._least = least

    def shorter(self, text: str, known: Mapping[str, str]) -> Shorter | None:
        """The part said shorter, or None where that does not pay. `known` are the phrases of codes in parts before it."""
        if MARKER.search(text) is not None:
            return None
        codes = Adaptive(known)
        forms = (*self._forms, codes) if self._codes and len(known) < MOST_CODES else self._forms
        best = min(_folded(text, forms), key=lambda found: self._rough.count(found[1]), default=None)
        if best is None:
            return None
        form, folded = best
        counts = [(counter.count(text), counter.count(folded)) for counter in self._counters]
        if not all(self._pays(before, after) for before, after in counts):
            return None
        return Shorter(folded, form.name, *counts[0], codes.phrases(folded) if form is codes else {})

    def _pays(self, before: int, after: int) -> bool:
        return before - after >= max(self._least.tokens, self._least.share * before)


def _folded(text: str, forms: Iterable[Form]) -> Iterable[tuple[Form, str]]:
    for form in forms:
        folded = form.fold(text)
        if folded is not None and form.unfold(folded) == form.canonical(text):
            yield form, folded

"""One part of a prompt, said in fewer tokens where that pays. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scenes.contracts import MARKER, Counter, Form


@dataclass(frozen=True, slots=True)
class Least:
    """What a part must save to be changed: so many tokens, and such a share of those it has."""

    tokens: int = 40
    share: float = 0.1


@dataclass(frozen=True, slots=True)
class Shorter:
    """A part said shorter: its text, the forms it took, and its tokens before and after."""

    text: str
    forms: tuple[str, ...]
    before: int
    after: int

    @property
    def saved(self) -> int:
        return self.before - self.after


class Encoder:
    """Says a part shorter, in the best of its forms; `rough` chooses among them, and all `counters` must agree that it pays.

    What comes back of a form is compared with what went in before it is used: a form that fails at this, stands aside.
    """

    def __init__(
        self, forms: Sequence[Form], rough: Counter, counters: Sequence[Counter], least: Least
    ) -> None:
        """`counters`, at least one: the model's own, or several where nobody knows its own."""
        self._forms = forms
        self._rough = rough
        self._counters = counters
        self._least = least

    def shorter(self, text: str) -> Shorter | None:
        """The part said shorter, or None where that does not pay."""
        if MARKER.search(text) is not None:
            return None
        best = min(self._folded(text), key=lambda found: self._rough.count(found[1]), default=None)
        if best is None:
            return None
        form, folded = best
        counts = [(counter.count(text), counter.count(folded)) for counter in self._counters]
        if not all(self._pays(before, after) for before, after in counts):
            return None
        return Shorter(folded, (form.name,), *counts[0])

    def _folded(self, text: str) -> Iterable[tuple[Form, str]]:
        for form in self._forms:
            folded = form.fold(text)
            if folded is not None and form.unfold(folded) == form.canonical(text):
                yield form, folded

    def _pays(self, before: int, after: int) -> bool:
        return before - after >= max(self._least.tokens, self._least.share * before)

"""One part of a prompt, said in fewer tokens where that pays. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scenes.codebook.adaptive import Adaptive
from scenes.codebook.book import Codebook
from scenes.codebook.shared import Shared
from scenes.contracts import MARKER, Counter, Form

MOST_CODES = 200
"""Of one prompt, beside those of a codebook: a reader who has to look up more is not helped."""


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

    def count(self, text: str) -> int:
        """Tokens as `Shorter` counts them."""
        return self._counters[0].count(text)

    def shorter(self, text: str, known: Mapping[str, str], book: Codebook | None = None) -> Shorter | None:
        """The part said shorter, or None where that does not pay.

        `known` are the phrases of the codes that were told before it: in parts, and of `book`, whose legend stands there.
        """
        if MARKER.search(text) is not None:
            return None
        codes = Adaptive(known)
        forms = (*self._forms, *self._coding(codes, known, book)) if self._codes else self._forms
        best = min(_folded(text, forms), key=lambda found: self._rough.count(found[1]), default=None)
        if best is None:
            return None
        form, folded = best
        counts = [(counter.count(text), counter.count(folded)) for counter in self._counters]
        if not all(self._pays(before, after) for before, after in counts):
            return None
        return Shorter(folded, form.name, *counts[0], codes.phrases(folded) if form is codes else {})

    def _coding(self, codes: Form, known: Mapping[str, str], book: Codebook | None) -> Iterator[Form]:
        if book is not None:
            yield Shared(book)
        if len(known) - (0 if book is None else len(book.phrases)) < MOST_CODES:
            yield codes

    def _pays(self, before: int, after: int) -> bool:
        return before - after >= max(self._least.tokens, self._least.share * before)


def _folded(text: str, forms: Iterable[Form]) -> Iterable[tuple[Form, str]]:
    for form in forms:
        folded = form.fold(text)
        if folded is not None and _comes_back(form, folded, text):
            yield form, folded


def _comes_back(form: Form, folded: str, text: str) -> bool:
    try:
        return form.unfold(folded) == form.canonical(text)
    except ValueError:  # it would be more than a stranger's block may stand for
        return False

"""One part of a prompt, said in fewer tokens where that pays. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scenes.codebook.adaptive import INNER, Adaptive
from scenes.codebook.book import Codebook
from scenes.codebook.shared import Shared
from scenes.contracts import Counter, Form, is_marked

MOST_CODES = 200
"""Of one prompt, beside those of a codebook: a reader who has to look up more is not helped."""
ENOUGH = 0.3
"""Of a part's tokens: where a fold saves so many, codes alone are not tried, which take longer than all folds."""
NESTED_LEAST = 0.05
"""Of a part's tokens, that codes within a fold must save beyond it: for less no reader should have to undo both."""


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


@dataclass(frozen=True, slots=True)
class _Said:
    """A part in a form, and its tokens, roughly."""

    text: str
    form: str
    tokens: int


class Shortener:
    """Says a part shorter, in the best of its forms; `rough` chooses among them, and all `counters` must agree that it pays.

    What comes back of a form is compared with what went in before it is used: a form that fails at this, stands aside.
    """

    def __init__(
        self, forms: Sequence[Form], rough: Counter, counters: Sequence[Counter], least: Least, *, codes: bool
    ) -> None:
        """`forms`: the first that takes a part is the only one that is asked for it. `codes` are tried as well.

        `counters`, at least one: the model's own, or several where nobody knows its own. `rough` is of their kind.
        """
        self._forms = forms
        self._codes = codes
        self._rough = rough
        self._counters = counters
        self._least = least

    def count(self, text: str) -> int:
        """Tokens as `Shorter` counts them."""
        return self._counters[0].count(text)

    def shorter(
        self,
        text: str,
        known: Mapping[str, str],
        book: Codebook | None = None,
        taken: Collection[str] = frozenset(),
    ) -> Shorter | None:
        """The part said shorter, or None where that does not pay.

        `known` are the phrases of the codes that were told before it: in parts, and of `book`, whose legend stands there.
        `taken` are codes that others wrote before it, who did not mean a phrase: a book that has one of them is not used.
        """
        if is_marked(text):
            return None
        codes = Adaptive(known, taken)
        book = book if book is not None and book.phrases.keys().isdisjoint(taken) else None
        folded = self._folded(text)
        coded = self._coded(text, folded, codes, book) if self._codes else ()
        best = min((*coded, *folded), key=lambda said: said.tokens, default=None)
        if best is None:
            return None
        counts = [(counter.count(text), counter.count(best.text)) for counter in self._counters]
        if not all(self._pays(before, after) for before, after in counts):
            return None
        phrases = codes.phrases(best.text) if best.form == codes.name else {}
        return Shorter(best.text, best.form, *counts[0], phrases)

    def _folded(self, text: str) -> Sequence[_Said]:
        """The text in the first form that takes it."""
        for form in self._forms:
            if found := self._said(form, form.fold(text), text):
                return found
        return ()

    def _coded(
        self, text: str, folded: Sequence[_Said], codes: Adaptive, book: Codebook | None
    ) -> Iterator[_Said]:
        """The text, or what is folded, with codes."""
        if book is not None:
            shared = Shared(book)
            yield from self._said(shared, shared.fold(text), text)
        if codes.known - (0 if book is None else len(book.phrases)) >= MOST_CODES:
            return
        before = self._rough.count(text)
        after = folded[0].tokens if folded else before
        if folded and folded[0].form in _INNER:
            nested = self._said(codes, codes.over(folded[0].text), text)
            yield from (said for said in nested if after - said.tokens >= NESTED_LEAST * before)
        elif before - after < ENOUGH * before:
            yield from self._said(codes, codes.fold(text), text)

    def _said(self, form: Form, folded: str | None, text: str) -> Sequence[_Said]:
        """What a form made of the text; nothing where that is nothing, or does not come back."""
        if folded is None or not _comes_back(form, folded, text):
            return ()
        return (_Said(folded, form.name, self._rough.count(folded)),)

    def _pays(self, before: int, after: int) -> bool:
        return before - after >= max(self._least.tokens, self._least.share * before)


_INNER = frozenset(form.name for form in INNER)


def _comes_back(form: Form, folded: str, text: str) -> bool:
    try:
        return form.unfold(folded) == form.canonical(text)
    except ValueError:  # it would be more than a stranger's block may stand for
        return False

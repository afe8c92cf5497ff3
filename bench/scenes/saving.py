"""What each layer saves of each text, in the tokens of each family: markers and legends count as what they are, tokens."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from app.contracts import Layer
from bench.scenes.gateway import MODELS, UNKNOWN, Gateway
from bench.scenes.printed import Cell, Goal, Part, Table
from bench.texts import PAYING, PLAIN, Text
from scenes.blocks import whole
from scenes.forms import CODES, FOLDS

LAYERS: Sequence[Layer] = ("safe", "codebook")
_FORMS = {form.name: form for form in (*FOLDS, CODES)}


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a text in one family's tokens, `by` a layer or by a form alone."""

    text: Text
    by: str
    family: str
    form: str
    before: int
    after: int

    @property
    def percent(self) -> float:
        return 100 * (self.before - self.after) / self.before


@dataclass(frozen=True, slots=True)
class Wanted:
    """A goal of the issue: so many percent of these texts (by name or kind), of each of them or in their median."""

    title: str
    by: str
    of: frozenset[str]
    least: float
    judged: Literal["each", "median"] = "each"


_TOOLS = frozenset(("log", "listing", "grep", "sre-outputs", "tool-results"))
GOALS = (
    Wanted("flat uniform JSON", "safe", frozenset(("dpkg.compact", "ticks.json", "candles.json")), 20),
    Wanted("the same with constant columns", "safe", frozenset(("dpkg.compact", "inventory.compact")), 35),
    Wanted("nested JSON", "safe", frozenset(("reservations.compact",)), 30),
    Wanted("log templates: `log` alone", "alone: log", frozenset(("log",)), 20, "median"),
    Wanted("grep and find", "safe", frozenset(("grep", "find")), 40),
    Wanted("spaced JSON: `json` alone", "alone: json", frozenset(("dpkg.spaced", "tool-results")), 15),
    Wanted("codebook: logs, listings, tool output", "codebook", _TOOLS, 40, "median"),
    Wanted("the same, stretch", "codebook", _TOOLS, 55, "median"),
    Wanted("prose, code, licences, noise: safe", "safe", frozenset(PLAIN), 0),
    Wanted("prose, code, licences, noise: codebook", "codebook", frozenset(PLAIN), 0),
)
ALONE = ("json", "log", "codes")
"""Forms that are measured by themselves too."""


def saving(gateway: Gateway, texts: Sequence[Text], without: Gateway) -> Part:
    """`without` is a gateway that has no vocabularies."""
    found = [saved for text in texts for saved in _all(gateway, text)]
    tables = [
        _by_text(found, by, gateway.families) for by in (*LAYERS, *(f"alone: {name}" for name in ALONE))
    ]
    goals = [goal for wanted in GOALS if (goal := _judged(wanted, found)) is not None]
    return Part("saving", [*tables, _strangers(gateway, without, texts)], goals)


def _all(gateway: Gateway, text: Text) -> Iterator[Saved]:
    alone = {name: _alone(name, text.content) for name in ALONE}
    for family in gateway.families:
        before = gateway.count(family, text.content)
        for layer in LAYERS:
            said, form = gateway.result(text.content, MODELS[family], layer)
            yield Saved(text, layer, family, form, before, gateway.count(family, said))
        for name, said in alone.items():
            form = "-" if said == text.content else name
            yield Saved(text, f"alone: {name}", family, form, before, gateway.count(family, said))


def _alone(name: str, text: str) -> str:
    """The text in this form, wherever it takes it; as it is where it does not."""
    for block in whole(text):
        folded = _FORMS[name].fold(text[block.start : block.end])
        if folded is not None:
            return text[: block.start] + folded + text[block.end :]
    return text


def _by_text(found: Sequence[Saved], by: str, families: Sequence[str]) -> Table:
    """A row for each text, and of a layer one for each kind; of a form alone only what it took."""
    texts: dict[str, list[Saved]] = {}
    kinds: dict[str, list[Saved]] = {}
    for saved in found:
        if saved.by == by and (by in LAYERS or saved.form != "-"):
            texts.setdefault(saved.text.name, []).append(saved)
            kinds.setdefault(saved.text.kind, []).append(saved)
    rows: list[list[Cell]] = [
        [name, row[0].text.kind, "/".join(dict.fromkeys(each.form for each in row)), *_medians(row, families)]
        for name, row in texts.items()
    ]
    if by in LAYERS:
        rows += [["median", kind, "", *_medians(row, families)] for kind, row in kinds.items()]
    return Table(f"Net saving, %, {by}", ("text", "kind", "form", *families), rows)


def _medians(found: Iterable[Saved], families: Sequence[str]) -> Sequence[float]:
    several = list(found)
    return [median(each.percent for each in several if each.family == family) for family in families]


def _judged(wanted: Wanted, found: Sequence[Saved]) -> Goal | None:
    """A text counts with its median over the families; None where no text is there."""
    own = [each for each in found if each.by == wanted.by and wanted.of & {each.text.name, each.text.kind}]
    if not own:
        return None
    by_text: dict[str, list[float]] = {}
    for each in own:
        by_text.setdefault(each.text.name, []).append(each.percent)
    figures = [median(each) for each in by_text.values()]
    lowest = min(own, key=lambda each: each.percent)
    about = f"{wanted.judged}, texts: {len(figures)}; lowest {lowest.percent:.1f}: {lowest.text.name}, {lowest.family}"
    judge: Callable[[Sequence[float]], float] = min if wanted.judged == "each" else median
    return Goal(wanted.title, judge(figures), wanted.least, "%", about=about)


def _strangers(gateway: Gateway, without: Gateway, texts: Sequence[Text]) -> Table:
    """A model that nobody knows, and a gateway without vocabularies: what is saved then, by who counts in truth."""
    rows: list[list[Cell]] = []
    for said_by, name in ((gateway, "two vocabularies"), (without, "rough counters")):
        for layer in LAYERS:
            said = {text: said_by.result(text.content, UNKNOWN, layer)[0] for text in texts}
            shares = {family: _shares(gateway, family, said) for family in gateway.families}
            paying = [
                median([share for text, share in of.items() if text.kind in PAYING] or [0.0])
                for of in shares.values()
            ]
            rows.append([name, layer, "median of what may pay", *paying])
            rows.append([name, layer, "lowest of all texts", *(min(of.values()) for of in shares.values())])
    return Table(
        "Net saving, %, of a model that nobody knows", ("counted with", "layer", "", *gateway.families), rows
    )


def _shares(gateway: Gateway, family: str, said: Mapping[Text, str]) -> Mapping[Text, float]:
    return {
        text: 100 * (1 - gateway.count(family, encoded) / gateway.count(family, text.content))
        for text, encoded in said.items()
    }

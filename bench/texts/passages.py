"""Questions with passages that were made up: one holds the answer, the others have its words.

Each passage is about a town: what it is known for, in one sentence of every subject. The question asks for one sentence of one
town, in its words or in others, by the town's name or without; the passages beside it are about other towns, in the same
subjects, and some name the town that is asked about. Made by those who made the ranking: a set of one's own counts for more.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from bench.recall.sets import Searched
from bench.texts.logs import drawn

QUESTIONS = 100
PASSAGES = 20
FAR, NAMED = 0.5, 0.5
"""The share of questions in other words; of passages that name the town which is asked about, or their own, once more."""
_TOWNS = (
    "Velmar", "Ostrey", "Calden", "Brix", "Noreth", "Palting", "Sarnow", "Tilbeck", "Ulmen", "Wexcombe", "Yarrow", "Zell",
    "Aldern", "Borke", "Corvin", "Dunmere", "Elsing", "Farnholt", "Gravik", "Hallow", "Imst", "Jevering", "Kolding", "Lorne",
)  # fmt: skip
_VALUES: Mapping[str, Sequence[str]] = {
    "stone": ("slate", "red sandstone", "granite", "chalk", "basalt", "marble", "limestone", "flint"),
    "trade": ("weaving", "glass", "clocks", "barrels", "bells", "paper", "rope", "needles"),
    "water": (
        "a crater lake",
        "deep wells",
        "a glacier",
        "springs in the hills",
        "a dam upstream",
        "cisterns",
    ),
    "person": (
        "a painter of storms",
        "the first woman to fly a balloon",
        "a famous forger",
        "two chess masters",
        "a poet",
    ),
    "event": ("a fire", "a flood", "an earthquake", "a siege", "an avalanche", "a plague of mice"),
    "food": ("smoked eel", "poppy dumplings", "goat cheese", "pickled plums", "black bread", "chestnut soup"),
    "way": ("a cable car", "a narrow railway", "a ferry", "a mountain road", "a canal", "a tunnel"),
    "beast": ("storks", "wild ponies", "otters", "bats", "vultures", "beavers"),
}
_SUBJECTS: Mapping[str, tuple[str, str, str]] = {
    "stone": ("Most of its houses are built of {v}, from quarries that closed long ago.", "What are the houses of {t} built of?", "Which material did the masons of {t} use?"),
    "trade": ("For three centuries it lived on {v}, until the factories of the coast were cheaper.", "What did {t} live on for three centuries?", "Which craft made {t} rich before industry came?"),
    "water": ("Its drinking water comes from {v}.", "Where does the drinking water of {t} come from?", "How are the taps of {t} supplied?"),
    "person": ("It is the birthplace of {v}, to whom a small museum is devoted.", "Of whom is {t} the birthplace?", "Which celebrity grew up in {t}?"),
    "event": ("The old centre was destroyed by {v} and rebuilt within ten years.", "By what was the old centre of {t} destroyed?", "What catastrophe struck {t}?"),
    "food": ("Visitors come in autumn for its {v}.", "For what do visitors come to {t} in autumn?", "Which dish should tourists taste in {t}?"),
    "way": ("Since the last bus line was given up, {v} is the only way to reach it.", "What is the only way to reach {t}?", "How does one get to {t} without a bus?"),
    "beast": ("The tower is known for its {v}, which the council protects.", "For which animals is the tower of {t} known?", "What wildlife lives in the belfry of {t}?"),
}  # fmt: skip


def searches(seeds: Sequence[int]) -> Iterator[Searched]:
    """A hundred for each seed."""
    for seed in seeds:
        chance = drawn(f"passages {seed}")
        for _ in range(QUESTIONS):
            yield _search(chance)


def _search(chance: Random) -> Searched:
    towns = chance.sample(_TOWNS, PASSAGES)
    facts = [{subject: chance.choice(values) for subject, values in _VALUES.items()} for _ in towns]
    gold, subject = chance.randrange(PASSAGES), chance.choice([*_SUBJECTS])
    told = [
        _passage(chance, town, towns[gold], facts[place], subject if place == gold else "")
        for place, town in enumerate(towns)
    ]
    _, near, far = _SUBJECTS[subject]
    return Searched((far if chance.random() < FAR else near).format(t=towns[gold]), tuple(told), gold)


def _passage(chance: Random, town: str, other: str, facts: Mapping[str, str], must: str) -> str:
    """Five subjects of a town, the one that `must` be told among them; where none must, it may name the other town."""
    subjects = chance.sample([*_SUBJECTS], 5)
    if must and must not in subjects:
        subjects[chance.randrange(5)] = must
    lines = [_SUBJECTS[subject][0].format(v=facts[subject]) for subject in subjects]
    if not must and chance.random() < NAMED:
        lines.append(f"Its people go to {other} to shop, {chance.randrange(5, 60)} km away.")
    chance.shuffle(lines)
    last = f" There is more to {town} than that." if chance.random() < NAMED else ""
    return f"{town} has {chance.randrange(2, 90)},000 inhabitants. {' '.join(lines)}{last}"

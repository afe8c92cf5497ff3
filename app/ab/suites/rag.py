"""Questions that one passage among many answers; the others are about things alike."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.ab.suites.drawn import Drawn, hexadecimal

_MAKERS = ("Kestrel", "Halden", "Brunel", "Corvid", "Alto", "Meridian", "Sorrel", "Tarn")
_THINGS = ("pump", "compressor", "inverter", "chiller", "separator")
_FACTS = (
    ("rated flow", "litres per minute", 40, 900),
    ("service interval", "operating hours", 500, 9_000),
    ("mass", "kilograms", 12, 480),
    ("supply voltage", "volts", 110, 690),
    ("spare part number", "", 10_000, 99_999),
)
_FILLING = (
    "It is delivered with a base plate, and the anchor bolts are ordered apart.",
    "Before the first start the housing has to be filled and vented.",
    "The seals are made of a fluoroelastomer and stand most solvents.",
    "Noise depends on how the pipes are held, and on the room.",
    "The manual advises against running it dry, even for a short time.",
    "Older units have another terminal box; the wiring diagram inside its lid counts.",
    "Vibration above the limit in the data sheet points at worn bearings.",
    "Where it stands outside, a cover against rain is needed.",
)


def draw(chance: Random) -> Drawn:
    """Ten to sixteen passages as a search gives them, and a question that one of them answers."""
    models = [f"{maker} {number}" for maker in _MAKERS for number in (40, 65, 80)]
    thing = chance.choice(_THINGS)
    chosen = chance.sample(models, chance.randrange(10, 17))
    values = {model: [chance.randrange(low, high) for _, _, low, high in _FACTS] for model in chosen}
    passages = [_passage(chance, model, thing, values[model]) for model in chosen]
    model, fact = chance.choice(chosen), chance.randrange(len(_FACTS))
    name, unit, _, _ = _FACTS[fact]
    asked = (
        f"What is the {name} of the {model} {thing}{f', in {unit}' if unit else ''}? Give the number alone."
    )
    return Drawn(
        name.replace(" ", "-"),
        asked,
        values[model][fact],
        "number",
        json.dumps(passages, ensure_ascii=False),
        "json",
    )


def _passage(chance: Random, model: str, thing: str, values: Sequence[int]) -> Mapping[str, Any]:
    facts = [
        f"The {name} of the {model} is {value}{f' {unit}' if unit else ''}."
        for (name, unit, _, _), value in zip(_FACTS, values, strict=True)
    ]
    sentences = [*facts, *chance.sample(_FILLING, 4)]
    chance.shuffle(sentences)
    return {
        "id": f"doc-{hexadecimal(chance, 6)}",
        "title": f"{model} {thing}: data and notes",
        "source": f"manuals/{model.lower().replace(' ', '-')}.pdf",
        "score": round(chance.uniform(0.4, 0.9), 4),
        "text": " ".join(sentences),
    }

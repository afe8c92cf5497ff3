"""Texts that are hard to say with codes: repetitive, and full of what looks like codes, legends, quotes and line ends.

They are made from a number, so that tens of thousands take seconds.
"""

import json
from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
PIECES = (
    "Failed password for invalid user",
    "pam_unix(sshd:auth): authentication failure;",
    '"GET /v1/orders HTTP/1.1" 200',
    '"a quoted phrase of many words"',
    '"half a quoted',
    "10.1.2.3 port 4711",
    "2026-03-09 10:11:12",
    "at com.example.Shop.reserve(Shop.java:88)",
    "def reserve(self, item: Item) -> None:",
    "    raise ValueError(f'no such {item}')",
    "§ = § 5 §9 =",
    "\\n\\\\n \\t",
    "он стоял у двери, не решаясь войти",
    "日本語の長い文章が何度も出てくる場合の例",
    "𝔸𝔸𝔸𝔸𝔸𝔸𝔸𝔸 \ud800 🜁🜁🜁🜁🜁🜁",
    "{'a': 1}",
    "```",
    "x",
    "",
)
LOOKALIKES = (
    "§ab",
    "§door",
    "§ab=a phrase",
    "x§aa",
    "§é",
    "[codes lines=2 legend=1 each §code stands for the phrase after its =]",
    "[table rows=1]",
)
SPACES = (" ", " ", " ", "\n", "\n", "  ", "\t", "\r\n", "\n\n", "\u00a0", "\u2028", "\x0b", "\x00", "")


def _pieces(random: Random) -> str:
    few = random.sample(PIECES, random.randint(1, 8))
    if random.random() < 0.1:
        few.append(random.choice(LOOKALIKES))
    return "".join(random.choice(few) + random.choice(SPACES) for _ in range(random.randint(10, 120)))


def _log(random: Random) -> str:
    states = random.sample(PIECES, 3)
    lines = [
        f"Mar 09 10:{random.randint(0, 5):02}:11 web-1 sshd[{random.randint(1, 40)}]: {random.choice(states)} [preauth]"
        for _ in range(random.randint(5, 50))
    ]
    return "\n".join(lines) + random.choice(("", "\n", "\n\n", " "))


def _characters(random: Random) -> str:
    alphabet = random.choice((
        "ab \n",
        "§abé= \n",
        '"\\n \n',
        "a\ud800\udfff \r\n\t",
        "0 1\n",
        "[codes lines=1]\n ",
    ))
    words = ["".join(random.choices(alphabet, k=random.randint(1, 40))) for _ in range(random.randint(1, 5))]
    return "".join(random.choice(words) + random.choice(" \n") for _ in range(random.randint(5, 80)))


def _document(random: Random) -> str:
    rows = [
        {"message": random.choice(PIECES), "more": [random.choice(PIECES)] * 2}
        for _ in range(random.randint(3, 20))
    ]
    lines = [json.dumps(row, ensure_ascii=random.random() < 0.5) for row in rows]
    return random.choice(("\n".join(lines), "log:\n" + "\n".join(lines), json.dumps(rows, indent=2)))


def _nested(random: Random) -> str:
    """Phrases within phrases, so that longer ones take the places of shorter ones."""
    words = ["alpha-one", "beta-two", "gamma-three", "delta-four"]
    return "".join(
        " ".join(words[: random.randint(1, 4)] * random.randint(1, 3))
        + random.choice((" ", "\n", f" {random.random()} "))
        for _ in range(random.randint(10, 80))
    )


_KINDS: tuple[Callable[[Random], str], ...] = (_pieces, _log, _characters, _document, _nested)


def made(seed: int) -> str:
    random = Random(seed)
    return random.choice(_KINDS)(random)


REPETITIVE = st.integers(0, 2**48).map(made)

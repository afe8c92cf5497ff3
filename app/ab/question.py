"""A question whose right answer is known, and what identifies a set of them. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["exact", "number", "json", "one_of"]
"""How an answer is judged: the same text, the same number, equal JSON, or one of several texts."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Question:
    """The messages that ask, and the right answer; `part` groups questions of one sort in reports.

    `answer` is a text for `exact`, a number for `number`, any value for `json`, and a list of texts for `one_of`.
    """

    id: str
    part: str
    messages: Sequence[Mapping[str, Any]]
    answer: Any
    kind: Kind = "exact"


def digest(questions: Sequence[Question]) -> str:
    """SHA-256 of the questions with their answers, in hexadecimal: the same where all of them are the same."""
    said = json.dumps([asdict(each) for each in questions], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()

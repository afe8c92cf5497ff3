"""What models are good at: entries by name, from a file of facts and scores. Pure but for reading that file.

What an upstream says of its own models (context, price) comes before what stands here.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from app.config.routing import Task

SHIPPED = Path(__file__).parents[1] / "data" / "models.yaml"

TASKS: tuple[Task, ...] = get_args(Task)
Modality: TypeAlias = Literal["text", "image", "video"]
Stars: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=5)]
Score: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=5)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model. `id` is its name at Hugging Face, `also` what else it is called where no rule leads to the id.

    `strengths` are stars from 0 to 5, `speed` and `quality` scores from 1 to 5 among all models. `context_tokens` is
    what a server gives by default, `extended_tokens` what it can be set to. `thinking`: never, always, or a switch.
    `active_billion` of the parameters work for each token, where not all do. `hosted` says that Nebius lists it,
    `retired` is the day on which Nebius took it away, or by which its list was without it; what to take then is
    `successor`.
    """

    id: str
    family: str
    strengths: Mapping[Task, Stars]
    speed: Score
    quality: Score
    context_tokens: Count
    extended_tokens: Count | None = None
    modalities: Sequence[Modality] = ("text",)
    tools: bool = True
    schema: bool = True
    thinking: Literal["never", "always", "switch"] = "never"
    parameters_billion: float | None = None
    active_billion: float | None = None
    hosted: bool = False
    also: Sequence[str] = ()
    retired: date | None = None
    successor: str | None = None
    note: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: date
    models: list[Entry]


class Catalogue:
    """Entries by the names that servers give to a model."""

    def __init__(self, entries: Sequence[Entry], version: str = "") -> None:
        self.entries = entries
        self.version = version
        self._exact = {entry.id: entry for entry in entries}
        self._spelled = {_words(name): entry for entry in entries for name in (entry.id, *entry.also)}
        labels = {_label(words): entry for words, entry in self._spelled.items()}
        self._labelled = labels | {_uninstructed(label): entry for label, entry in labels.items()}

    def find(self, model_name: str) -> Entry | None:
        """The entry of this model; None where there is none, or the name might be of another one.

        Case, organisation and what a name says of a build (AWQ, Q4_K_M, -fast, :latest) do not count. A label without
        an organisation, like those of Ollama, means the instructed model: `qwen2.5:7b` is Qwen2.5-7B-Instruct, but
        Qwen/Qwen2.5-7B is a base model.
        """
        entry = self._exact.get(model_name)
        if entry is not None:
            return entry
        words = _words(model_name)
        entry = self._spelled.get(words)
        if entry is None and "/" not in model_name:
            entry = self._labelled.get(_label(words))
        return entry

    def successor(self, model_name: str) -> Entry | None:
        """What to take where a model is gone: the first that has not been taken away as well."""
        entry = self.find(model_name)
        while entry is not None and entry.successor is not None:
            entry = self.find(entry.successor)
            if entry is not None and entry.retired is None:
                return entry
        return None


@cache
def shipped() -> Catalogue:
    return read(SHIPPED)


def read(file: Path) -> Catalogue:
    """Raises msgspec.ValidationError, naming the member, where the file is not as it should be."""
    found = msgspec.yaml.decode(file.read_bytes(), type=_File)
    return Catalogue(found.models, found.version.isoformat())


_BUILD = re.compile(
    r"""[-_.:@](?:
        awq | gptq | gguf | ggml | exl[23] | mlx | bnb | hf | marlin | unsloth | dynamic | quantized | autoround | dwq
      | fast | latest | free | [48]-?bit | int[48] | (?:nv|mx)?fp(?:4|8|16) | bf16 | f(?:16|32) | i?q\d(?:_[a-z0-9]+)*
      | w\d+a\d+ | \d{5}-of-\d{5} | lora:.+
    )$""",
    re.VERBOSE,
)
"""What a name says of how a model was packed, served or trained on, at its end."""
_MAKER = re.compile(
    r"^(?:meta-(?=llama)|nvidia-(?=nemotron)"
    r"|(?:qwen|google|meta-llama|openai|deepseek-ai|mistralai|nvidia|zai-org|moonshotai)_)"
)
"""A maker's name before one that says it, too."""
_WORD = re.compile(r"\d+(?:\.\d+)?(?:[bkm](?![a-z]))?|[a-z]+")
_POINT = re.compile(r"(?<=\d)_(?=\d)")
_INSTRUCT = "instruct"
_INSTRUCTED = frozenset({_INSTRUCT, "it"})


def _words(name: str) -> tuple[str, ...]:
    """`Qwen/Qwen2.5-7B-Instruct-AWQ` and `qwen2.5:7b-instruct` are both qwen, 2.5, 7b, instruct."""
    rest = name.casefold().rpartition("/")[2]
    if not rest.isascii():
        return ()  # words that are not seen here may make it another model
    while (shorter := _BUILD.sub("", rest)) != rest:
        rest = shorter
    return tuple(_WORD.findall(_POINT.sub(".", _MAKER.sub("", rest))))


def _label(words: tuple[str, ...]) -> tuple[str, ...]:
    """With what says that a model was instructed in one form, at the end."""
    rest = tuple(word for word in words if word not in _INSTRUCTED)
    return words if rest == words else (*rest, _INSTRUCT)


def _uninstructed(label: tuple[str, ...]) -> tuple[str, ...]:
    return label[:-1] if label[-1:] == (_INSTRUCT,) else label

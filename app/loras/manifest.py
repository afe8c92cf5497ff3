"""An adapter's manifest: what it is, what it fits, and what was measured of it (`hb.adapter/1`)."""

from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.loras.unusable import Unusable

FILE = "adapter.json"
SHORT = 8
"""Digits of a version in a name, as `risk@1f3a9c20`: an engine that keeps what it read under a name never meets another one."""


class BaseOf(msgspec.Struct, frozen=True):
    """The base that it was made for: its name, and the SHA-256 of its weights and of its tokenizer.json."""

    name: str
    weights_sha256: str
    tokenizer_sha256: str


class BookOf(msgspec.Struct, frozen=True):
    """The hypertokens that it was taught."""

    id: str
    version: int
    digest: str


class Canary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A prompt that it answers so, greedily: who loads it can try. `prompt` is how the model is told it, in its tokens, where
    that is not how users say it; `max_tokens` is where the answer was cut off, 0 is nowhere.
    """

    user: str
    answer: str
    prompt: str = ""
    max_tokens: int = 0

    @property
    def sent(self) -> str:
        return self.prompt or self.user

    @property
    def bound(self) -> int:
        """As many tokens as the answer may need: none has less than a byte, and one says that it has ended."""
        return self.max_tokens or len(self.answer.encode()) + 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is the SHA-256 of the weights and of the adapter's configuration. `one_hot` adapters bring their own rows.

    `keys` are the ids of those who may ask for it; None is everyone whose key allows its name.
    """

    schema: Literal["hb.adapter/1"] = msgspec.field(default="hb.adapter/1")
    id: str
    version: str
    base: BaseOf
    rank: int
    target_modules: Sequence[str]
    book: BookOf | None = None
    mode: str = ""
    task: str = ""
    register: str = ""
    languages: Sequence[str] = ()
    licences: Sequence[str] = ()
    one_hot: bool = False
    keys: Sequence[str] | None = None
    measured: Mapping[str, Any] = {}
    canary: Canary | None = None

    @property
    def name(self) -> str:
        return f"{self.id}@{self.version[:SHORT]}"


def read(folder: Path) -> Manifest:
    """Raises Unusable."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Manifest)
    except OSError as fault:
        raise Unusable(f"{folder / FILE} cannot be read: {fault.strerror}") from None
    except msgspec.DecodeError as fault:
        raise Unusable(f"{folder / FILE} is no manifest of an adapter: {fault}") from None


def write(folder: Path, manifest: Manifest) -> None:
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def version_of(folder: Path) -> str:
    """Of the files that an engine reads."""
    digest = sha256()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

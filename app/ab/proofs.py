"""What was proved of which model, as a file: written after a comparison, read by whoever chooses a layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec

from app.ab.verdict import Verdict
from app.config.faults import ConfigError, Fault

FORMAT = 1
Share = Annotated[float, msgspec.Meta(ge=-1, le=1)]


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one comparison has shown of a model and a layer.

    `model` is the upstream's own name, `asked` the name it was asked by. `right` are shares of the compared questions
    (`pairs` of `questions`), `low` and `high` the interval of their difference. `made` is the time in UTC (ISO 8601),
    `version` that of the code that asked. None is what nobody told.
    """

    model: str
    layer: str
    verdict: Verdict
    why: str
    asked: str
    upstream: str
    suites: Sequence[str]
    suite_digest: str
    seed: int
    replicates: int
    questions: int
    pairs: int
    raw_right: Share
    encoded_right: Share
    low: Share | None
    high: Share | None
    margin: Share
    p_value: Share | None
    self_agreement: Share
    agreement: Share
    saved_share: float | None
    completion_ratio: float | None
    seconds_ratio: float | None
    made: str
    version: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Annotated[int, msgspec.Meta(ge=FORMAT, le=FORMAT)] = FORMAT
    proofs: Sequence[Proof] = ()


_decoder = msgspec.json.Decoder(_File)


class Proofs:
    """The newest proof of each model and layer."""

    def __init__(self, found: Mapping[tuple[str, str], Proof] = MappingProxyType({})) -> None:
        self._found = found

    def allow(self, model: str, layer: str) -> bool:
        """Whether it is proved that this model, by its upstream's name, answers as well behind this layer."""
        proof = self._found.get((model, layer))
        return proof is not None and proof.verdict == "proved"

    def with_proof(self, proof: Proof) -> "Proofs":
        """With this one in the place of an older one of the same model and layer."""
        return Proofs({**self._found, (proof.model, proof.layer): proof})

    def text(self) -> bytes:
        """As the file holds them."""
        ordered = [self._found[name] for name in sorted(self._found)]
        return msgspec.json.format(msgspec.json.encode(_File(proofs=ordered))) + b"\n"


def read(path: Path) -> Proofs:
    """The proofs of a file; none of one that is not there yet. Raises ConfigError for one that cannot be read."""
    try:
        content = path.read_bytes()
        found = _decoder.decode(content)
    except FileNotFoundError:
        return Proofs()
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _broken(path, f"is not a file that `hyperbridge ab --proofs` wrote: {error}") from None
    return Proofs({(proof.model, proof.layer): proof for proof in found.proofs})


def write(path: Path, proofs: Proofs) -> None:
    """Put them there at once: who reads meanwhile finds the old ones or the new ones. Raises OSError."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(proofs.text())
    beside.replace(path)


def _broken(path: Path, message: str) -> ConfigError:
    return ConfigError([Fault(str(path), 1, 1, "", message)])

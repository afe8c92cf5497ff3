"""Which versions a fleet shall have, and which of them an alias means: one small value, changed by what people ask for. Pure.

An alias moves to another version only when that one answers wherever it is wanted, and can move back while the one before is
kept. The value is written down as one document, so that all workers and gateways have the same.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.loras.unusable import Unusable
from app.loras.versions import Version


class Alias(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a name means: a version; `next` is the one that it is moving to, `before` the one that it meant until
    `moved_at` (seconds since 1970); `fault` says why the last move was given up.
    """

    version: str
    next: str = ""
    before: str = ""
    moved_at: float = 0.0
    fault: str = ""


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Aliases; versions that are pinned (on every replica), loaded beside those that aliases need, or kept out."""

    aliases: Mapping[str, Alias] = {}
    pinned: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    out: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: bytes) -> "Wanted":
        """Raises Unusable where it is no such document."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, msgspec.ValidationError) as fault:
            raise Unusable(
                f"what the fleet shall have is written down in a way that is not understood: {fault}"
            ) from None

    def text(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    def with_new(self, versions: Mapping[str, Version]) -> "Wanted":
        """An id that was never seen before means its version, where it has one; where it has several, `roll` says which."""
        ids: dict[str, list[str]] = {}
        for name, version in versions.items():
            ids.setdefault(version.id, []).append(name)
        new = {
            each: Alias(names[0])
            for each, names in ids.items()
            if each not in self.aliases and len(names) == 1 and names[0] not in self.out
        }
        return msgspec.structs.replace(self, aliases={**self.aliases, **new}) if new else self

    def names(self, now: float, keep_seconds: float) -> frozenset[str]:
        """The versions that shall be there: those that aliases mean, go to, or have just left; those asked for; none kept out."""
        needed = set(self.loaded | self.pinned)
        for alias in self.aliases.values():
            needed |= {alias.version, alias.next}
            if now < alias.moved_at + keep_seconds:
                needed.add(alias.before)
        return frozenset(needed - self.out - {""})

    @property
    def ids(self) -> frozenset[str]:
        """Whatever versions were, and are, asked for are of these."""
        names = self.out | self.loaded | self.pinned
        return frozenset(name.partition("@")[0] for name in names) | self.aliases.keys()

    def version_of(self, name: str) -> str | None:
        """What an alias means; None for a name that is none."""
        alias = self.aliases.get(name)
        return None if alias is None else alias.version

    def load(self, name: str) -> "Wanted":
        """This version shall be there, whatever aliases mean."""
        return msgspec.structs.replace(self, loaded=self.loaded | {name}, out=self.out - {name})

    def unload(self, name: str) -> "Wanted":
        """This version shall not be there. Raises Unusable where an alias means it, since its calls would fail."""
        meant = [alias for alias, each in self.aliases.items() if each.version == name]
        if meant:
            raise Unusable(
                f"{meant[0]} means {name}: roll it to another version first, or unload {meant[0]} itself"
            )
        aliases = {
            alias: msgspec.structs.replace(each, next="", fault="unloaded") if each.next == name else each
            for alias, each in self.aliases.items()
        }
        return msgspec.structs.replace(
            self,
            aliases=aliases,
            loaded=self.loaded - {name},
            pinned=self.pinned - {name},
            out=self.out | {name},
        )

    def retire(self, id: str) -> "Wanted":  # noqa: A002
        """The alias goes, and with it the versions that it needed."""
        gone = self.aliases[id]
        names = {gone.version, gone.next, gone.before} - {""}
        aliases = {alias: each for alias, each in self.aliases.items() if alias != id}
        return msgspec.structs.replace(
            self,
            aliases=aliases,
            loaded=self.loaded - names,
            pinned=self.pinned - names,
            out=self.out | names,
        )

    def pin(self, name: str, *, pinned: bool) -> "Wanted":
        """On every replica, or on as many as its calls need."""
        if not pinned:
            return msgspec.structs.replace(self, pinned=self.pinned - {name})
        return msgspec.structs.replace(self, pinned=self.pinned | {name}, out=self.out - {name})

    def roll(self, id: str, name: str) -> "Wanted":  # noqa: A002
        """The alias shall mean this version, as soon as it answers wherever it is wanted."""
        alias = self.aliases.get(id)
        if (
            alias is None
        ):  # it means nothing yet: nothing is lost if it means a version that is still being loaded
            return self._with(id, Alias(name))
        if alias.version == name:
            return self._with(id, msgspec.structs.replace(alias, next="", fault=""))
        return self._with(id, msgspec.structs.replace(alias, next=name, fault=""))

    def back(self, id: str) -> "Wanted":  # noqa: A002
        """To the version before. Raises Unusable where there is none."""
        alias = self.aliases[id]
        if alias.next:
            return self._with(id, msgspec.structs.replace(alias, next="", fault="taken back"))
        if not alias.before:
            raise Unusable(
                f"{id} has meant no other version than {alias.version}: there is nothing to go back to"
            )
        return self.roll(id, alias.before)

    def moved(self, id: str, now: float) -> "Wanted":  # noqa: A002
        """The version that the alias was moving to answers everywhere: it means it from here on."""
        alias = self.aliases[id]
        return self._with(id, Alias(alias.next, before=alias.version, moved_at=now))

    def failed(self, id: str, why: str) -> "Wanted":  # noqa: A002
        """The version that the alias was moving to cannot be served: it means what it meant."""
        return self._with(id, msgspec.structs.replace(self.aliases[id], next="", fault=why))

    def _with(self, id: str, alias: Alias) -> "Wanted":  # noqa: A002
        out = self.out - {alias.version, alias.next}
        return msgspec.structs.replace(self, aliases={**self.aliases, id: alias}, out=out)

    def described(self) -> dict[str, Any]:
        """As JSON shows it."""
        told: dict[str, Any] = msgspec.to_builtins(self, order="deterministic")
        return told

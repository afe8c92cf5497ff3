"""All keys that count, at hand: those of the configuration, those of the store, and the short-lived ones made from them."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from app.contracts import Caller, lowered
from app.errors import InvalidKey, NoStore
from app.keys.grants import PREFIX, Grant, Signer
from app.keys.presented import presented
from app.keys.single_user import LOCAL, SingleUser
from app.store.keys import StoredKey

_log = logging.getLogger("hyperbridge")

MOST_GRANTS = 10_000
"""Short-lived keys that are kept read."""

_GRANT = PREFIX.encode()


@dataclass(frozen=True, slots=True)
class Held:
    """A key by its SHA-256: whose it is, until when it counts (seconds since 1970), and why not longer."""

    caller: Caller
    digest: bytes
    until: float = math.inf
    end: str = "has expired"


class Keyring:
    """Knows callers by their keys. Without any key it lets in everyone who reaches a loopback address; once there was
    one, keys are demanded until the process ends.

    `configured` are the callers of the configuration by digest; theirs is an id that the store has, too.
    """

    def __init__(
        self,
        configured: Mapping[str, Caller],
        signer: Signer,
        origins: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.signer = signer
        self._clock = clock
        self._known: dict[bytes, Held] = {}
        self._parents: dict[str, Held] = {}
        self._grants: dict[bytes, Held] = {}
        self._stored: Sequence[StoredKey] = ()
        self._entries: dict[str, tuple[StoredKey, list[tuple[str, Held]]]] = {}
        """What each key of the store has become, by its id: with the proofs that short-lived keys hold of it."""
        self._shadowed: frozenset[str] = frozenset()
        self.is_blind = False
        """Whether the store has not told its keys yet: who comes with one that is not the file's has to ask again."""
        self.is_open = True
        """Whether nobody has a key, and everyone near is the one user."""
        self.configure(configured, origins)

    def configure(self, configured: Mapping[str, Caller], origins: Iterable[str] = ()) -> None:
        """From here on, these are the callers of the configuration."""
        self._configured = [Held(caller, bytes.fromhex(digest)) for digest, caller in configured.items()]
        self._ids = frozenset(caller.id for caller in configured.values())
        self._single_user = SingleUser(origins)
        self.is_open = self.is_open and not configured
        self._arrange()

    def sign_with(self, signer: Signer) -> None:
        """From here on, short-lived keys are those that this one signs."""
        self.signer = signer
        self._entries = {}
        self._arrange()

    def replace(self, stored: Sequence[StoredKey], damaged: Sequence[str] = ()) -> None:
        """From here on, these are the keys of the store; `damaged` are the ids of those that cannot be read."""
        self._stored = stored
        self.is_blind = False
        self.is_open = self.is_open and not stored and not damaged
        shadowed = self._ids & {key.id for key in stored}
        if shadowed - self._shadowed:
            names = ", ".join(sorted(shadowed))
            _log.warning("keys that the configuration has as well do not count in the store: %s", names)
        self._shadowed = shadowed
        self._arrange()

    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        return self.key_of(headers).caller

    def key_of(self, headers: Mapping[bytes, bytes]) -> Held:
        """The key that these headers show, which counts now; raises InvalidKey, ForbiddenHost, ForbiddenOrigin or NoStore."""
        key = presented(headers)
        if self.is_blind and sha256(key).digest() not in self._known:
            raise NoStore(
                "The database of keys does not answer, and this key is none of the file: ask again.",
                headers={"retry-after": "1"},
            )
        if self.is_open:
            self._single_user.identify(headers)
            if not key.startswith(_GRANT):  # SDKs send a key in any case
                return _LOCAL
        if not key:
            raise InvalidKey("No API key was sent: send it as 'Authorization: Bearer <key>'.")
        digest = sha256(key).digest()
        held = self._known.get(digest)
        if held is None:
            held = self._granted(key, digest)
        if self._clock() >= held.until:
            what = "short-lived API key made from" if held.caller.grant else "API key"
            raise InvalidKey(f"The {what} {held.caller.id!r} {held.end}.")
        return held

    def _arrange(self) -> None:
        """Order everything by what it is looked up by; a key that did not change stays the one that it was."""
        known, proof = self._entries, self.signer.proof
        self._entries = {}
        for key in self._stored:
            entry = known.get(key.id)
            if entry is None or entry[0] != key:
                entry = key, [(proof(each.digest), each) for each in _held(key)]
            self._entries[key.id] = entry
        held = [(proof(each.digest), each) for each in self._configured]
        for key, entries in self._entries.values():
            if key.id not in self._ids:
                held += entries
        self._known = {each.digest: each for _, each in held}
        self._parents = dict([(proof(_LOCAL.digest), _LOCAL), *held])
        self._grants = {}

    def _granted(self, key: bytes, digest: bytes) -> Held:
        """A short-lived key; raises InvalidKey where it is none, or its parent is not known."""
        held = self._grants.get(digest)
        if held is not None:
            return held
        if not key.startswith(_GRANT):
            raise InvalidKey("The API key is not known to this gateway.")
        grant = self.signer.read(key)
        parent = self._parents.get(grant.proof)
        if parent is None or (parent is _LOCAL and not self.is_open):
            raise InvalidKey("The key that this short-lived API key was made from does not count any more.")
        if len(self._grants) >= MOST_GRANTS:
            del self._grants[next(iter(self._grants))]
        held = self._grants[digest] = narrowed(parent, grant, digest)
        return held


_LOCAL = Held(LOCAL, b"")


def _held(key: StoredKey) -> Iterable[Held]:
    """A key of the store, and the one that it was before its last rotation."""
    caller = Caller(
        key.id,
        None if key.models is None else frozenset(key.models),
        key.allowance,
        key.priority,
        key.weight,
        key.admin,
        metadata=key.metadata,
    )
    until, end = math.inf if key.expires_at is None else key.expires_at, "has expired"
    if key.revoked_at is not None:  # whatever the clock of the one who revoked it says
        until, end = -math.inf, "was revoked"
    if key.previous_digest is not None:
        earlier = -math.inf if key.previous_until is None else key.previous_until
        replaced = (earlier, "was replaced by a new one") if earlier < until else (until, end)
        yield Held(caller, bytes.fromhex(key.previous_digest), *replaced)
    yield Held(caller, bytes.fromhex(key.digest), until, end)


def narrowed(parent: Held, grant: Grant, digest: bytes) -> Held:
    """What is left of the parent's rights."""
    own, models = parent.caller, parent.caller.models
    if grant.models is not None:
        models = frozenset(grant.models) if models is None else models & frozenset(grant.models)
    caller = replace(
        own,
        models=models,
        priority=lowered(grant.priority or own.priority, own.priority),
        admin=False,
        grant=grant.id,
        grant_allowance=grant.allowance,
        user=grant.user,
    )
    if parent.until < grant.until:
        return Held(caller, digest, parent.until, f"ended: that key {parent.end}")
    return Held(caller, digest, grant.until)

"""Which replica somebody is giving an adapter to at the moment, told to all gateways and workers of a fleet. Pure.

Who holds a replica sends it no calls and loads; the others send it none either. A lease ends by itself, so that nobody who died
keeps a replica from its calls.
"""

from collections.abc import Mapping

import msgspec

from app.loras.unusable import Unusable


class Lease(msgspec.Struct, frozen=True):
    """Whose a replica is, and until when (seconds since 1970)."""

    holder: str
    until: float


class Leases(msgspec.Struct, frozen=True, omit_defaults=True):
    """By replica."""

    held: Mapping[str, Lease] = {}

    @classmethod
    def of(cls, text: bytes) -> "Leases":
        """Raises Unusable where it is no such document."""
        try:
            return msgspec.json.decode(text, type=cls) if text else cls()
        except (msgspec.DecodeError, msgspec.ValidationError) as fault:
            raise Unusable(
                f"the leases of replicas are written down in a way that is not understood: {fault}"
            ) from None

    def text(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    def taken(self, replica: str, holder: str, now: float, seconds: float) -> "Leases | None":
        """With this replica held for so long; None where somebody else holds it. What has ended is left out."""
        held = {name: lease for name, lease in self.held.items() if lease.until > now}
        if replica in held and held[replica].holder != holder:
            return None
        return Leases({**held, replica: Lease(holder, now + seconds)})

    def released(self, replica: str, holder: str) -> "Leases":
        """Without this one of the holder's."""
        return Leases({
            name: lease for name, lease in self.held.items() if (name, lease.holder) != (replica, holder)
        })

    def others(self, holder: str, now: float) -> frozenset[str]:
        """The replicas that others hold."""
        return frozenset(
            name for name, lease in self.held.items() if lease.holder != holder and lease.until > now
        )

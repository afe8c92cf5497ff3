"""What vLLM wants otherwise than OpenAI does, and what a client must not say to it.

vLLM's own administration (loading adapters, sleeping, resetting caches) has no authentication worth the name
and is reached from here only, never from a client's path.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from app.config import CacheSalt
from app.contracts import PRIORITIES, Call, Outbound
from app.errors import ModelMissing
from app.wire import Members

SALT_CHARACTERS = 32
"""Of a cache's salt: 128 bits, of the 128 characters that vLLM takes."""

PRIORITY_HEADER = b"x-vllm-priority"
"""It goes before the body's `priority`. A lower number is served earlier."""

_GUIDED = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
    "guided_whitespace_pattern": "whitespace_pattern",
}
"""Members that vLLM took before 0.12 and silently ignores since; each has a name in `structured_outputs`."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What is set in every call. `secret` makes salts that no client can guess, and that all workers share."""

    secret: bytes
    cache_salt: CacheSalt = "key"
    priorities: bool = False
    check: Callable[[Outbound], None] = lambda _: None
    """Raises where a model may not be asked for."""

    def members(self, call: Call) -> Mapping[str, bytes]:
        """What is set in a call's request: what keeps the prefixes of tenants apart. A client's own salt divides its own further."""
        if self.cache_salt == "none":
            return {}
        own = call.request.members.raw("cache_salt") or b""
        salt = hmac.digest(self.secret, call.caller.id.encode() + b"\0" + own, sha256).hex()[:SALT_CHARACTERS]
        return {"cache_salt": f'"{salt}"'.encode()}

    def prepared(self, outbound: Outbound) -> Outbound:
        """The request as a server of this kind gets it. Raises ModelMissing for a name that is none."""
        if is_path(outbound.model):
            raise no_model(outbound.model)
        self.check(outbound)
        outbound = structured(outbound)
        if b'"priority"' in outbound.body:
            members = Members.of(outbound.body)
            if members.has("priority"):  # who goes first is not for clients to say
                outbound = replace(outbound, body=members.replaced({"priority": b"0"}))
        if not self.priorities:
            return outbound
        rank = b"%d" % (10 * PRIORITIES.index(outbound.priority))
        return replace(outbound, headers=(*outbound.headers, (PRIORITY_HEADER, rank)))


def no_model(name: str) -> ModelMissing:
    return ModelMissing(404, f"There is no model {name!r}.", code="model_not_found", param="model")


def is_path(name: str) -> bool:
    """Whether a model's name would lead elsewhere, were it taken for a path: a resolver of vLLM's joins it to a folder's."""
    return "\\" in name or any(part in {"", ".", ".."} for part in name.split("/"))


def structured(outbound: Outbound) -> Outbound:
    """Write `guided_*` members as `structured_outputs`; vLLM would answer without any constraint."""
    if b'"guided_' not in outbound.body:
        return outbound
    members = Members.of(outbound.body)
    asked = {
        new: msgspec.Raw(raw)
        for old, new in _GUIDED.items()
        if (raw := members.raw(old)) is not None and raw != b"null"
    }
    if not asked or members.value("structured_outputs") is not None:
        return outbound
    return replace(outbound, body=members.replaced({"structured_outputs": msgspec.json.encode(asked)}))

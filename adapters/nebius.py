"""What Nebius Token Factory wants otherwise than OpenAI does."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from app.contracts import Outbound
from app.wire import Members

SCHEMA_NAME = "answer"

LISTING = "models?verbose=true"
"""The list that tells of each model its context, what it takes and what it costs."""

FREE_TIERS = frozenset({b'"flex"', b'"no-limit"'})
"""Tiers of service that take nothing of the rate limits."""


@dataclass(frozen=True, slots=True)
class Valve:
    """Sends what can wait around the rate limits: by the tier `flex`, which is served with a lower priority."""

    flex: Collection[Literal["batch", "hedge"]]

    def turn(self, outbound: Outbound) -> tuple[Outbound, bool]:
        """The request as it is sent, and whether it takes of the limits. A client's own tier stays as it is."""
        flexes = (outbound.hedge and "hedge" in self.flex) or (
            outbound.priority == "batch" and "batch" in self.flex
        )
        if not flexes and b"service_tier" not in outbound.body:
            return outbound, True
        members = Members.of(outbound.body)
        tier = members.raw("service_tier")
        if tier is not None and tier != b"null":
            return outbound, tier not in FREE_TIERS
        if not flexes or not outbound.operation.streams:  # what does not stream is not said to have tiers
            return outbound, True
        return replace(outbound, body=members.replaced({"service_tier": b'"flex"'})), False


def named_schema(outbound: Outbound) -> Outbound:
    """Give a `json_schema` format the name that Nebius insists on, and wrap a schema that was sent bare.

    Nebius answers 422 `Field required` unless the format is `{type, json_schema: {name, schema}}`.
    """
    if b'"json_schema"' not in outbound.body:
        return outbound
    members = Members.of(outbound.body)
    form = _object(members.raw("response_format"))
    if form is None or form.raw("type") != b'"json_schema"':
        return outbound
    given = _object(form.raw("json_schema"))
    if given is None or (given.has("name") and given.has("schema")):
        return outbound
    name = orjson.dumps(SCHEMA_NAME)
    wrapped = given.body if given.has("schema") else b'{"schema":%b}' % given.body
    named = Members.of(wrapped).replaced({"name": name})
    return replace(
        outbound, body=members.replaced({"response_format": form.replaced({"json_schema": named})})
    )


def _object(raw: bytes | None) -> Members | None:
    return Members.of(raw) if raw is not None and raw.startswith(b"{") else None

"""What Nebius Token Factory wants otherwise than OpenAI does."""

from dataclasses import replace

import orjson

from app.contracts import Outbound
from app.wire import Members

SCHEMA_NAME = "answer"


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

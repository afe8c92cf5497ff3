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
    form = members.value("response_format")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return outbound
    given = form.get("json_schema")
    if not isinstance(given, dict) or ("name" in given and "schema" in given):
        return outbound
    named = {"name": SCHEMA_NAME, **given} if "schema" in given else {"name": SCHEMA_NAME, "schema": given}
    return replace(
        outbound, body=members.replaced({"response_format": orjson.dumps(form | {"json_schema": named})})
    )

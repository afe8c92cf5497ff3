import json
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from adapters.demo.keywords import Unsatisfiable
from adapters.demo.material import gather
from adapters.demo.schema import instance
from tests.adapters.demo.json_values import JSON_VALUES

MATERIAL = gather('Tell me about "grey cats" in Paris, for 3 days and 4.5 euros')
NAMES = st.sampled_from(["a", "b", "city", "days", "x-y"])


def _string(low: int, more: int) -> dict[str, Any]:
    return {"type": "string", "minLength": low, "maxLength": low + more}


def _integer(low: int, width: int, step: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": low + width + step, "multipleOf": step}


def _number(low: float, width: float) -> dict[str, Any]:
    return {"type": "number", "exclusiveMinimum": low, "maximum": low + width}


def _array(items: Any, low: int, more: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": low, "maxItems": low + more}


def _object(properties: dict[str, Any], required: list[str], *, closed: bool) -> dict[str, Any]:
    known = [name for name in required if name in properties]
    return {"type": "object", "properties": properties, "required": known, "additionalProperties": not closed}


SCALARS = st.one_of(
    st.builds(_string, st.integers(0, 40), st.integers(0, 40)),
    st.builds(_integer, st.integers(-1000, 1000), st.integers(0, 9), st.integers(1, 9)),
    st.builds(_number, st.floats(-1e6, 1e6), st.floats(0.001, 1e6)),
    st.sampled_from([
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"type": "integer"},
        {"type": "number"},
    ]),
    st.sampled_from([
        {"type": "string", "pattern": r"^[A-Z]{2}\d+$"},
        {"type": "string", "format": "date"},
        True,
        {},
    ]),
    st.lists(st.one_of(st.integers(), st.text(), st.none()), min_size=1, max_size=4, unique=True).map(
        lambda values: {"enum": values}
    ),
    st.one_of(st.integers(), st.text()).map(lambda value: {"const": value}),
)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.builds(_array, inner, st.integers(0, 3), st.integers(0, 3)),
        st.builds(
            _object,
            st.dictionaries(NAMES, inner, max_size=4),
            st.lists(NAMES, max_size=4, unique=True),
            closed=st.booleans(),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        inner.map(lambda schema: {"$defs": {"it": schema}, "allOf": [schema]}),
    ),
    max_leaves=12,
)


def check(schema: Any, made: Any) -> None:
    """It is JSON, and satisfies the schema."""
    jsonschema_rs.validator_for(schema).validate(json.loads(msgspec.json.encode(made)))


@given(SCHEMAS, st.text(max_size=60))
def test_an_instance_satisfies_its_schema(schema: Any, message: str):
    check(schema, instance(schema, gather(message)))


@given(SCHEMAS)
def test_the_same_schema_gets_the_same_instance(schema: Any):
    assert instance(schema, MATERIAL) == instance(schema, MATERIAL)


@given(JSON_VALUES)
def test_what_is_no_schema_is_refused_and_breaks_nothing(schema: Any):
    with suppress(Unsatisfiable):
        msgspec.json.encode(instance(schema, MATERIAL))


KEYWORDS = st.sampled_from([
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "minimum",
    "maximum",
    "multipleOf",
    "exclusiveMinimum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "additionalProperties",
])
VALUES = st.one_of(
    JSON_VALUES,
    st.sampled_from([
        "#",
        "#/$defs/a",
        "#/items",
        "object",
        "array",
        "string",
        "integer",
        "number",
        [["string"], ["object", "null"]],
    ]),
)
ODD_SCHEMAS = st.recursive(
    st.dictionaries(KEYWORDS, VALUES, max_size=5),
    lambda inner: st.dictionaries(
        KEYWORDS,
        st.one_of(inner, st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3), VALUES),
        max_size=5,
    ),
    max_leaves=10,
)


@given(ODD_SCHEMAS)
def test_odd_schemas_are_followed_or_refused(schema: Any):
    with suppress(Unsatisfiable):
        msgspec.json.encode(instance(schema, MATERIAL))


class Step(BaseModel):
    explanation: str
    effort: int = Field(ge=2, le=5)


class Node(BaseModel):
    value: float
    next: "Node | None" = None


class Everything(BaseModel):
    steps: list[Step] = Field(min_length=1)
    color: Literal["grey", "black"]
    tree: Node
    at: datetime
    id: UUID
    price: Decimal
    either: int | str
    pair: tuple[int, str]
    sku: str = Field(pattern=r"^[A-Z]{3}-\d{3}$")
    counts: dict[str, int]
    tags: set[str] = Field(min_length=3)


def test_pydantic_models_can_be_read_back():
    made = instance(Everything.model_json_schema(), MATERIAL)
    read = Everything.model_validate_json(msgspec.json.encode(made))
    assert read.color == "grey"  # the message says so
    assert read.steps[0].explanation == "grey cats"
    assert read.tree.next is not None


def test_strings_and_numbers_are_the_messages_own():
    schema = {
        "type": "object",
        "properties": {"what": {"type": "string"}, "where": {"type": "string"}, "days": {"type": "integer"}},
    }
    assert instance(schema, MATERIAL) == {"what": "grey cats", "where": "Paris", "days": 3}


def test_items_that_must_differ_do():
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 40, "uniqueItems": True}
    check(schema, instance(schema, MATERIAL))
    flags = {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True}
    assert instance(flags, MATERIAL) == [True, False]


def test_what_two_schemas_ask_for_together_is_given():
    parts = [{"properties": {name: {"type": "integer"}}, "required": [name]} for name in "ab"]
    schema = {"type": "object", "allOf": parts, "additionalProperties": {"type": "integer"}}
    check(schema, instance(schema, MATERIAL))
    assert instance(schema, MATERIAL).keys() == {"a", "b"}


def test_a_tuple_may_be_written_as_older_drafts_did():
    schema = {"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "minItems": 2}
    assert [type(item) for item in instance(schema, MATERIAL)] == [int, str]


def test_recursion_ends_where_it_may():
    schema = {
        "type": "object",
        "properties": {"child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["child"],
    }
    check(schema, instance(schema, MATERIAL))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"allOf": [{"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}]},
        {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["child"]},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "minItems": 4000, "items": {"const": "x" * 30_000}},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "^(?=a)b"},
        {"type": "spoon"},
        {"enum": []},
    ],
)
def test_what_cannot_be_made_is_refused(schema: Any):
    with pytest.raises(Unsatisfiable):
        instance(schema, MATERIAL)

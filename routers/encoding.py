"""POST /v1/scenes/encode and /v1/scenes/decode: what encoding would do to a prompt, and back."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from routers import bodies
from routers.calls import asked, failures
from routers.objects import Open
from routers.visits import Visits


class EncodeRequest(Open):
    """A text, which is taken as what a tool gave back, or a chat's messages; one of the two."""

    text: str | None = None
    messages: list[dict[str, Any]] | None = None
    model: str | None = Field(
        default=None,
        max_length=256,
        description="A name that /v1/models lists, by whose tokenizer it is decided what pays.",
    )
    layer: Literal["safe", "codebook", "scenes", "focus", "hyper", "auto"] | None = Field(
        default=None, description="The model's own where none is named, or `safe` where that changes nothing."
    )


class EncodedPart(BaseModel):
    message: int = Field(description="Its number, from 0.")
    characters: int
    characters_after: int
    form: str | None = Field(description="The form that it took; null where it stays as it is.")
    why: str | None = Field(description="Why it stays.")


class TokenCount(BaseModel):
    tokenizer: str
    exact: bool = Field(description="Whether they are counted by a vocabulary, or estimated.")
    before: int
    after: int


class RoundTrip(BaseModel):
    exact: bool = Field(description="What was undone is what was given, to the character.")
    canonical: bool = Field(description="It is, but for the spaces between the tokens of JSON.")


class Density(BaseModel):
    """How much stands in a token of the model's own tokenizer; docs/scenes.md has the formulas."""

    tokens: float = Field(description="How many tokens one stands for.")
    facts: float = Field(description="A thousand tokens state.")
    facts_gain: float = Field(description="That over the same of the text as it was given.")
    bits: float = Field(description="A token holds, of what zstd cannot make shorter.")


class SceneEncoding(BaseModel):
    """What came of it."""

    object: Literal["scenes.encoding"] = "scenes.encoding"
    layer: str
    model: str | None = Field(description="The upstream's name of it.")
    text: str | None
    messages: list[dict[str, Any]] | None
    forms: dict[str, int] = Field(description="How many parts took which form.")
    parts: list[EncodedPart] | None = Field(
        description="Every part that is data; null in a layer that leaves something out."
    )
    tokens: list[TokenCount] = Field(description="Of all texts, a legend too.")
    legend: dict[str, str] = Field(description="The phrases of codes.")
    round_trip: RoundTrip | None = Field(description="Null in a layer that leaves something out.")
    density: Density | None = Field(description="Null where the texts are too long to be measured.")
    facts: float | None = Field(
        description="The share of numbers, names and negations that is still stated as often."
    )
    refused: str | None = Field(description="Why less was tried than the layer has.")
    encode_ms: float


class DecodeRequest(BaseModel):
    text: str


class Decoded(BaseModel):
    object: Literal["scenes.decoding"] = "scenes.decoding"
    text: str


def router(visits: Visits) -> APIRouter:
    routes = APIRouter(prefix="/v1/scenes", tags=["scenes"])

    @routes.post(
        "/encode",
        response_model=SceneEncoding,
        responses=failures(400, 401, 403, 404, 413, 415, 429, 503),
        openapi_extra=asked(EncodeRequest),
    )
    async def encode_scenes(request: Request) -> Response:
        """What encoding would do, and what it would save; no model is asked. Send what you would send to the model."""
        async with visits.entered(request) as visit:
            body = await bodies.bounded(request, bodies.MAX_TEXT_BYTES)
            headers = dict(request.scope["headers"])
            told = await visit.setup.rehearsal.of(body, headers, visit.caller, visit.record)
            return visit.answer(told)

    @routes.post(
        "/decode",
        response_model=Decoded,
        responses=failures(400, 401, 403, 413, 415, 429),
        openapi_extra=asked(DecodeRequest),
    )
    async def decode_scenes(request: Request) -> Response:
        """A text as it was before it was encoded."""
        async with visits.entered(request) as visit:
            body = await bodies.bounded(request, bodies.MAX_TEXT_BYTES)
            return visit.answer({
                "object": "scenes.decoding",
                "text": await visit.setup.rehearsal.undone(body),
            })

    return routes

"""Bodies that the gateway reads itself: small JSON objects, checked against a model."""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from app.errors import BadRequest, ClientLeft, TooLarge, WrongMediaType
from app.invalid import faults
from app.yaml_source import MAX_BYTES as MAX_YAML_BYTES

MAX_BYTES = 64 * 1024
MAX_TEXT_BYTES = 4 * 1024 * 1024
"""Of a body with texts that scenes are made from, or that are said shorter."""

ModelT = TypeVar("ModelT", bound=BaseModel)


async def read(request: Request, model: type[ModelT], most: int = MAX_BYTES) -> ModelT:
    """The body as this model, which an empty one is, too. Raises BadRequest naming the member that is wrong."""
    body = await bounded(request, most)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as invalid:
        place, said = next(faults(invalid))
        subject = f"{place!r}" if place else "The body"
        raise BadRequest(f"{subject} {said}.", param=place or None) from None


async def bounded(request: Request, most: int) -> bytes:
    """The body, JSON by its header, of at most so many bytes."""
    body = await _read(request, most)
    if body:
        _must_be(request, "application/json", "JSON")
    return body


async def yaml(request: Request) -> str:
    """The body as the text of a configuration."""
    body = await _read(request, MAX_YAML_BYTES)
    _must_be(request, "application/yaml", "the configuration's text")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8.") from None


def _must_be(request: Request, media_type: str, what: str) -> None:
    if request.headers.get("content-type", media_type).partition(";")[0].strip().lower() != media_type:
        raise WrongMediaType(f"Send {what} with 'content-type: {media_type}'.")


async def _read(request: Request, most: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise TooLarge(f"The body is larger than {most} bytes.")
            pieces.append(piece)
    except ClientDisconnect:
        raise ClientLeft("The client closed the connection before its request was whole.") from None
    return b"".join(pieces)

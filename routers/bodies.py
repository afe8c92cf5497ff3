"""Bodies that the gateway reads itself: small JSON objects, checked against a model."""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from app.errors import BadRequest, ClientLeft, TooLarge, WrongMediaType
from app.invalid import faults

MAX_BYTES = 64 * 1024

ModelT = TypeVar("ModelT", bound=BaseModel)


async def read(request: Request, model: type[ModelT]) -> ModelT:
    """The body as this model, which an empty one is, too. Raises BadRequest naming the member that is wrong."""
    body = await bounded(request, MAX_BYTES)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as invalid:
        place, said = next(faults(invalid))
        subject = f"{place!r}" if place else "The body"
        raise BadRequest(f"{subject} {said}.", param=place or None) from None


async def bounded(request: Request, most: int) -> bytes:
    """The body, JSON by its header, of at most so many bytes."""
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
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if size and kind != "application/json":
        raise WrongMediaType("Send JSON with 'content-type: application/json'.")
    return b"".join(pieces)

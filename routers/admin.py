"""/admin/keys: the keys of the database, managed by keys that may."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from app.config.settings import Settings
from app.contracts import Caller, Priority
from app.errors import AdminOnly
from app.keys import Callers
from app.keys.wanted import MOST_GRACE_SECONDS, WantedKey
from app.registry import Registry
from routers import bodies
from routers.calls import asked, failures


class Limits(BaseModel):
    """What may be used at most; each bound is an amount a period, like `100/hour`."""

    requests: list[str]
    tokens: list[str]
    usd: list[str]
    concurrent: int | None


class KeyInfo(BaseModel):
    """A key, without the key itself."""

    id: str
    source: Literal["file", "store"] = Field(
        description="Where it stands: in the configuration's file, or in the database."
    )
    state: Literal["active", "expired", "revoked"]
    models: list[str] = Field(description="Those it may use; `*` is all.")
    limits: Limits
    priority: Priority
    weight: int
    admin: bool
    created_at: str | None = Field(description="In UTC; null for keys of the file.")
    expires_at: str | None
    revoked_at: str | None
    replaced_until: str | None = Field(
        description="After a rotation: until when the key before counts, or counted."
    )
    metadata: dict[str, str]


class KeyList(BaseModel):
    object: str = "list"
    data: list[KeyInfo]


class NewKey(KeyInfo):
    """A key that was just made; it cannot be shown again."""

    key: str


class Rotation(Settings):
    """How a key is replaced."""

    grace_seconds: Annotated[int, Field(ge=0, le=MOST_GRACE_SECONDS)] = Field(
        default=0, description="how long the key before still counts"
    )


def administrators(keys: Callers) -> Callable[[Request, Response], Caller]:
    """What finds out who asks, and refuses those that may not."""

    def administrator(request: Request, response: Response) -> Caller:
        caller = keys.identify(dict(request.scope["headers"]))
        if not caller.admin:
            raise AdminOnly("This key may not use /admin: ask with one that was made with admin.")
        response.headers["cache-control"] = "no-store"
        return caller

    return administrator


def router(keys: Callers, registry: Registry) -> APIRouter:
    administrator = administrators(keys)
    routes = APIRouter(prefix="/admin", tags=["admin"])
    allowed = [Depends(administrator)]

    @routes.get("/keys", dependencies=allowed, responses=failures(401, 403, 503))
    async def list_keys() -> KeyList:
        """Every key: those of the file, then those of the database by id, also those that count no more."""
        return KeyList(data=[KeyInfo.model_validate(each) for each in await registry.all()])

    @routes.post(
        "/keys",
        dependencies=allowed,
        responses=failures(400, 401, 403, 409, 413, 415, 503),
        openapi_extra=asked(WantedKey),
    )
    async def create_key(request: Request) -> NewKey:
        """Make a key. The answer shows it this once."""
        key, made = await registry.make(await bodies.read(request, WantedKey))
        return _new(key, made)

    @routes.get("/keys/{id}", dependencies=allowed, responses=failures(401, 403, 404, 503))
    async def retrieve_key(id: str) -> KeyInfo:  # noqa: A002 - its public name
        """One of them."""
        return KeyInfo.model_validate(await registry.one(id))

    @routes.delete("/keys/{id}", responses=failures(401, 403, 404, 409, 503))
    async def revoke_key(id: str, caller: Annotated[Caller, Depends(administrator)]) -> KeyInfo:  # noqa: A002
        """End it for good; its row stays, so that its id is not given again."""
        return KeyInfo.model_validate(await registry.revoke(id, caller))

    @routes.post(
        "/keys/{id}/rotate",
        dependencies=allowed,
        responses=failures(400, 401, 403, 404, 409, 413, 415, 503),
        openapi_extra=asked(Rotation, required=False),
    )
    async def rotate_key(request: Request, id: str) -> NewKey:  # noqa: A002
        """Put another key in its place. The answer shows it this once."""
        rotation = await bodies.read(request, Rotation)
        key, made = await registry.rotate(id, rotation.grace_seconds)
        return _new(key, made)

    return routes


def _new(key: str, made: Any) -> NewKey:
    return NewKey.model_validate({**made, "key": key})

"""POST /v1/keys/ephemeral: a short-lived key with fewer rights, for who must not have the real one."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.contracts import Priority
from app.keys.granting import WantedGrant
from app.keys.keyring import Keyring
from app.registry import Registry
from routers import bodies
from routers.admin import Limits
from routers.calls import asked, failures


class EphemeralKey(BaseModel):
    object: str = "ephemeral_key"
    key: str
    id: str = Field(description="A name for it, as in messages about its limits.")
    expires_at: int = Field(description="In seconds since 1970.")
    parent: str = Field(
        description="The id of the key that it was made from, under which its use is counted."
    )
    models: list[str] | None = Field(description="Null are all that the parent may use.")
    user: str | None
    priority: Priority
    limits: Limits


def router(keys: Keyring, registry: Registry) -> APIRouter:
    routes = APIRouter(tags=["keys"])

    @routes.post(
        "/v1/keys/ephemeral",
        responses=failures(400, 401, 403, 413, 415),
        openapi_extra=asked(WantedGrant, required=False),
    )
    async def create_ephemeral_key(request: Request, response: Response) -> EphemeralKey:
        """Make one from the key that asks."""
        held = keys.key_of(dict(request.scope["headers"]))
        key, grant = registry.lend(held, await bodies.read(request, WantedGrant))
        response.headers["cache-control"] = "no-store"
        return EphemeralKey.model_validate({
            "key": key,
            "id": grant.id,
            "expires_at": grant.until,
            "parent": grant.parent,
            "models": grant.models,
            "user": grant.user,
            "priority": grant.priority or held.caller.priority,
            "limits": grant.told(),
        })

    return routes

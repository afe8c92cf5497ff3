"""Health: is the process alive, does it want requests, is everything it depends on well."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.health import Doctor, State
from app.readiness import Readiness


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready", "not ready"]


class Check(BaseModel):
    name: str
    state: State
    detail: str
    recommendation: str = Field(description="What to do, where the state is not healthy.")


class Health(BaseModel):
    status: State = Field(
        description="degraded: something does not answer; unhealthy: nothing can be answered"
    )
    checks: list[Check]


def router(doctor: Doctor, readiness: Readiness) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/livez")
    async def livez() -> Alive:
        """200 while the process answers at all."""
        return Alive()

    @routes.get("/readyz", responses={503: {"model": Ready}})
    async def readyz(response: Response) -> Ready:
        """200 while new requests are welcome, 503 before the start is complete."""
        if not readiness.ready:
            response.status_code = 503
            return Ready(status="not ready")
        return Ready(status="ready")

    @routes.get("/healthz", responses={503: {"model": Health}})
    async def healthz(response: Response) -> Health:
        """Every check with its state and a recommendation; 503 where the whole is unhealthy."""
        health = await doctor.examine()
        if health.state == "unhealthy":
            response.status_code = 503
        checks = [
            Check(name=each.name, state=each.state, detail=each.detail, recommendation=each.recommendation)
            for each in health.checks
        ]
        return Health(status=health.state, checks=checks)

    return routes

"""POST /v1/route: where a request would go, and why; no model is asked."""

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.contracts import Call, Caller, Plan, Route
from app.decision import VERSION, Candidate, Decision
from app.journal import Journal, Record
from app.keys import Callers
from app.operations import CHAT, COMPLETIONS, RESPONSES, ROUTE, Operation
from app.request_id import SCOPE_KEY
from app.routing.candidates import FORBIDDEN
from app.routing.features import shown
from app.routing.router import Explanation
from app.setup import InForce
from app.users import UserHash, user_of
from app.wire import Members
from app.wire import Request as Asked
from app.wishes import wishes
from routers import bodies
from routers.calls import asked, failures
from routers.chat import ChatRequest
from routers.objects import ErrorDetail
from routers.visits import failing


class CandidateShown(BaseModel):
    """A model that could answer."""

    name: str
    upstream: str
    model: str
    score: float = Field(description="From 0 to 1, by `policy`; the highest goes first.")
    reasons: list[str]
    against: list[str] = Field(description="What keeps it from answering; empty where nothing does.")


class RouteShown(BaseModel):
    """Where an attempt would go."""

    upstream: str
    model: str
    reason: str
    members: dict[str, Any] = Field(description="Set in the request, where the client sends none.")
    thinking: str


class Routed(BaseModel):
    """What was seen, what was chosen, and why."""

    object: str = "route"
    version: str = VERSION
    model: str = Field(description="What was asked for.")
    features: dict[str, Any]
    mode: str = Field(description="`none` where there is none.")
    by: str = Field(description="Who chose the mode.")
    rule: str | None = None
    encoder: str | None = Field(
        default=None, description="How it went with the encoder, where there was need of it."
    )
    reason: str = Field(description="As the header x-hyperbridge-reason says it.")
    probabilities: dict[str, float] = Field(
        description="Of each mode, where the classifier was asked; the encoder's, where it answered."
    )
    words: list[str] = Field(description="What in the text spoke most for the mode, by the classifier.")
    policy: str | None = Field(default=None, description="What the candidates are ordered by.")
    candidates: list[CandidateShown] = Field(
        description="Those that the key may use, the best first; where the client falls back to `auto`, its candidates."
    )
    presets: list[str]
    template: str | None = None
    lens_characters: int = Field(description="Of the text that the system's begins with.")
    routes: list[RouteShown] = Field(description="In the order in which they are tried.")
    shadow: RouteShown | None = Field(default=None, description="What would get a copy of the call.")
    error: ErrorDetail | None = Field(default=None, description="What a call would be refused with.")


def router(keys: Callers, in_force: InForce, journal: Journal, user_hash: UserHash) -> APIRouter:
    routes = APIRouter(tags=["models"])
    refused = failures(400, 401, 403, 413, 415, 429, 503)

    @routes.post("/v1/route", responses=refused, openapi_extra=asked(ChatRequest))
    async def explain_route(request: Request, response: Response) -> Routed:
        """The decision for a request, as it would be made now. Send what you would send to the model. It counts as a
        request, and as no tokens.
        """
        record = Record(request.scope[SCOPE_KEY].decode(), ROUTE, perf_counter())
        with journal.writing(record), failing(record):
            headers = dict(request.scope["headers"])
            record.caller = keys.identify(headers)
            body = await bodies.bounded(request, in_force.setup.max_body_bytes)
            with in_force.term as setup:
                call = _call(body, headers, record.caller, record)
                record.user, record.prompt_hash = user_hash.of(call.user), setup.prompt_hash.of(call.request)
                await setup.bounds.check(call)
                async with setup.exchange.admitted(call, record):
                    explained = await setup.exchange.explained(call, record)
            response.headers.update({name.decode(): value.decode() for name, value in record.told})
            return _routed(call, explained)

    return routes


def _call(body: bytes, headers: Mapping[bytes, bytes], caller: Caller, record: Record) -> Call:
    record.bytes_in, record.arrived = len(body), perf_counter()
    operation = _operation(Members.of(body))
    parsed = Asked.parse(body, operation)
    return Call(
        record.id,
        operation,
        parsed.for_upstreams(),
        caller,
        (),
        asyncio.get_running_loop().time(),
        user=user_of(parsed, caller),
        wishes=wishes(headers, parsed),
    )


def _operation(members: Members) -> Operation:
    """What this is a body of."""
    if members.has("messages"):
        return CHAT
    return RESPONSES if members.has("input") else COMPLETIONS if members.has("prompt") else CHAT


def _routed(call: Call, explained: Explanation) -> Routed:
    decision = explained.decision or Decision()
    return Routed(
        model=call.request.model,
        features=dict(shown(explained.features)),
        mode=decision.mode or "none",
        by=decision.by,
        rule=decision.rule or None,
        encoder=decision.encoder,
        reason=decision.reason,
        probabilities=dict(decision.choice.probabilities),
        words=list(explained.words),
        policy=decision.choice.policy or None,
        candidates=[_candidate(each) for each in decision.choice.candidates if FORBIDDEN not in each.against],
        presets=list(decision.presets),
        template=decision.template or None,
        lens_characters=len(explained.plan.lens) if explained.plan is not None else 0,
        routes=_routes(explained.plan),
        shadow=_shadow(explained.plan),
        error=_error(explained),
    )


def _candidate(each: Candidate) -> CandidateShown:
    return CandidateShown(
        name=each.name,
        upstream=each.upstream,
        model=each.model,
        score=each.score,
        reasons=list(each.reasons),
        against=list(each.against),
    )


def _routes(plan: Plan | None) -> list[RouteShown]:
    if plan is None:
        return []
    return [_route(route) for route in plan.routes]


def _shadow(plan: Plan | None) -> RouteShown | None:
    return None if plan is None or plan.shadow is None else _route(plan.shadow.route)


def _route(route: Route) -> RouteShown:
    return RouteShown(
        upstream=route.upstream,
        model=route.model,
        reason=route.reason,
        members=_values(route.defaults),
        thinking=route.thinking,
    )


def _values(members: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: msgspec.json.decode(value) for name, value in members.items()}


def _error(explained: Explanation) -> ErrorDetail | None:
    failure = explained.failure
    if failure is None:
        return None
    return ErrorDetail(message=failure.message, type=failure.type, param=failure.param, code=failure.code)

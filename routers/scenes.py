"""/v1/scenes: what a key's holder has remembered, as scenes: made, found, told, deleted."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import Receive, Scope, Send

from app.archive import Archive
from app.contracts import Caller
from app.errors import BadRequest
from app.memory.wanted import WantedScenes, WantedSearch
from routers import bodies
from routers.calls import REFUSED, asked, failures
from routers.visits import Visits
from scenes.scene import Scene, write

JSONL = "application/jsonl"
_PLACE = "#/components/schemas/{name}"
COMPONENTS: Mapping[str, Any] = msgspec.json.schema_components([Scene], ref_template=_PLACE)[1]
"""The schemas of `hb.scene/1`, for the document."""
_SCENE = {"$ref": _PLACE.format(name="Scene")}


class Identity(StringConvertor):
    """A scene's id in a path; what is none leads to other pages."""

    regex = "[0-9a-f]{32}"


register_url_convertor("scene", Identity())


class Ingested(BaseModel):
    """The scenes that were made."""

    object: Literal["scenes.ingested"] = "scenes.ingested"
    session: str
    scenes: int
    new: int = Field(description="Those that were not remembered already.")
    ids: list[str] = Field(description="Of all, in order.")
    parsers: dict[str, int] = Field(
        description="How many were made by what: `rules@1`, or `llm:` and a model's name."
    )
    vectors: int = Field(description="How many of all have a vector, by which they are found as well.")


class Hit(BaseModel):
    score: float = Field(description="The higher, the better; it says nothing beside another search's.")
    by: list[Literal["words", "vector"]] = Field(description="What it was found by.")
    scene: Annotated[dict[str, Any], Field(json_schema_extra={"allOf": [_SCENE]})]


class Hits(BaseModel):
    object: Literal["list"] = "list"
    data: list[Hit] = Field(description="The best first.")


class OriginalPart(BaseModel):
    """A part of what a scene was made of: from character `start` to before `end` of the text with this hash."""

    source: str
    start: int
    end: int
    text: str


class Original(BaseModel):
    object: Literal["scene.original"] = "scene.original"
    id: str
    parts: list[OriginalPart]


class Forgotten(BaseModel):
    object: Literal["scenes.deleted"] = "scenes.deleted"
    deleted: int


Session = Annotated[str | None, Query(description="Whose scenes; it must be named.")]


def router(visits: Visits, archive: Archive) -> APIRouter:
    routes = APIRouter(prefix="/v1/scenes", tags=["scenes"])
    _take(routes, visits, archive)
    _tell(routes, visits, archive)
    _forget(routes, visits, archive)
    return routes


def _take(routes: APIRouter, visits: Visits, archive: Archive) -> None:
    @routes.post(
        "",
        response_model=Ingested,
        responses=failures(*REFUSED),
        openapi_extra=asked(WantedScenes),
    )
    async def ingest_scenes(request: Request) -> Response:
        """Make scenes of turns or of a document, and remember them with the words that they were made from."""
        async with visits.entered(request) as visit:
            wanted = await bodies.read(request, WantedScenes, bodies.MAX_TEXT_BYTES)
            former, vectors = visit.former(wanted.parser), visit.setup.vectors
            kept = await archive.keep(visit.call, wanted, former, vectors)
            told = Ingested(
                session=wanted.session,
                scenes=len(kept.ids),
                new=kept.new,
                ids=list(kept.ids),
                parsers=dict(kept.parsers),
                vectors=kept.vectors,
            )
            return visit.answer(told.model_dump())

    @routes.post(
        "/search",
        response_model=Hits,
        responses=failures(400, 401, 403, 413, 415, 429, 503),
        openapi_extra=asked(WantedSearch),
    )
    async def search_scenes(request: Request) -> Response:
        """Find scenes by what somebody asks."""
        async with visits.entered(request) as visit:
            wanted = await bodies.read(request, WantedSearch)
            hits = await archive.search(visit.call, wanted, visit.setup.vectors)
            data = [
                {"score": hit.score, "by": hit.by, "scene": msgspec.Raw(write(hit.scene))} for hit in hits
            ]
            return visit.answer({"object": "list", "data": data})


def _tell(routes: APIRouter, visits: Visits, archive: Archive) -> None:
    @routes.get(
        "",
        response_class=Response,
        responses={
            200: {
                "description": "A scene a line.",
                "content": {JSONL: {"schema": {"type": "string"}}},
            },
            **failures(400, 401, 403, 429, 503),
        },
    )
    async def export_scenes(session: Session = None) -> Response:
        """All scenes of a session, in order, as lines of `hb.scene/1`."""
        return Lines(visits, archive, session)

    @routes.get(
        "/{id:scene}",
        response_class=Response,
        responses={
            200: {"description": "The scene.", "content": {"application/json": {"schema": _SCENE}}},
            **failures(401, 403, 404, 429, 503),
        },
    )
    async def retrieve_scene(request: Request, id: str) -> Response:  # noqa: A002 - its public name
        """One of them."""
        async with visits.entered(request) as visit:
            return visit.answer(msgspec.Raw(write(await archive.scene(visit.caller, id))))

    @routes.get("/{id:scene}/original", response_model=Original, responses=failures(401, 403, 404, 429, 503))
    async def retrieve_original(request: Request, id: str) -> Response:  # noqa: A002
        """The words that a scene was made from, as they were."""
        async with visits.entered(request) as visit:
            parts = await archive.original(visit.caller, id)
            return visit.answer({"object": "scene.original", "id": id, "parts": parts})


def _forget(routes: APIRouter, visits: Visits, archive: Archive) -> None:
    @routes.delete("", response_model=Forgotten, responses=failures(400, 401, 403, 429, 503))
    async def delete_scenes(request: Request, session: Session = None) -> Response:
        """Delete a session: its scenes, and the texts that no other scene was made from."""
        async with visits.entered(request) as visit:
            deleted = await archive.forget_session(visit.caller, _named(session))
            return visit.answer(Forgotten(deleted=deleted).model_dump())

    @routes.delete("/{id:scene}", response_model=Forgotten, responses=failures(401, 403, 404, 429, 503))
    async def delete_scene(request: Request, id: str) -> Response:  # noqa: A002
        """Delete one."""
        async with visits.entered(request) as visit:
            await archive.forget(visit.caller, id)
            return visit.answer(Forgotten(deleted=1).model_dump())


def _named(session: str | None) -> str:
    if not session:
        raise BadRequest("'session' is missing: name it as in /v1/scenes?session=NAME.", param="session")
    return session


class Lines(StreamingResponse):
    """A session's scenes, read as they are sent. What goes wrong before the first line still has its status."""

    def __init__(self, visits: Visits, archive: Archive, session: str | None) -> None:
        super().__init__((), media_type=JSONL)
        self._visits = visits
        self._archive = archive
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._visits.entered(Request(scope, receive)) as visit:
            session = _named(self._session)
            first, after = await self._archive.page(visit.caller, session)
            self.headers.update(visit.headers)
            self.body_iterator = self._lines(visit.caller, session, first, after)
            await super().__call__(scope, receive, send)

    async def _lines(
        self, caller: Caller, session: str, scenes: Sequence[Scene], after: int
    ) -> AsyncGenerator[bytes]:
        while scenes:
            yield _written(scenes)
            scenes, after = await self._archive.page(caller, session, after)


def _written(scenes: Iterable[Scene]) -> bytes:
    return b"".join(write(scene) + b"\n" for scene in scenes)

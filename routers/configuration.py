"""/admin/configuration: what is in force, and the file behind it: read, checked, compared, written, rolled back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, Field

from app import config
from app.config.comparing import difference
from app.config.lasting import after_restart
from app.config.masking import masked
from app.config.schema import MASK
from app.config.settings import Settings
from app.configuration import Configuration
from app.errors import ConfigurationInvalid, VersionUnsaid
from app.keys import Callers
from routers import bodies
from routers.admin import administrators
from routers.calls import asked, failures

YAML = "application/yaml"
_TEXT: dict[str, Any] = {"requestBody": {"required": True, "content": {YAML: {"schema": {"type": "string"}}}}}


class Fault(BaseModel):
    """One mistake in a text, or in a prompt template that it names."""

    file: str = Field(description="The name of the file that it is in.")
    line: int
    column: int
    path: str = Field(description="The setting, as in `upstreams.nebius.url`; empty for the whole text.")
    message: str = Field(description="What is wrong, and what would be right.")


class InForce(BaseModel):
    """The configuration that this worker answers by."""

    object: str = "configuration"
    file: str
    version: str = Field(description="Of the text in force: 16 digits of its SHA-256.")
    applied_at: datetime
    faults: list[Fault] = Field(description="Why the file as it is now is not in force; none where it is.")
    warnings: list[str]
    after_restart: list[str] = Field(
        description="Settings of the file that only a restart brings into force."
    )
    settings: dict[str, Any] = Field(description="Those in force, without secrets.")


class Validity(BaseModel):
    """What is wrong with a text, and what is odd about it."""

    valid: bool
    version: str
    faults: list[Fault]
    warnings: list[str]


class Difference(BaseModel):
    """What a text would change."""

    version: str
    diff: str = Field(
        description="Unified, from the settings in force to those of the text, without secrets."
    )
    secrets: list[str] = Field(description="The settings whose secret is another one.")
    after_restart: list[str]
    warnings: list[str]


class Version(BaseModel):
    """A text that the file had."""

    version: str
    replaced_at: datetime
    size_bytes: int


class VersionList(BaseModel):
    object: str = "list"
    data: list[Version]


class Rollback(Settings):
    """Which text shall be the file's again."""

    version: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="one that GET /admin/configuration/history lists"
    )


def router(keys: Callers, configuration: Configuration) -> APIRouter:
    routes = APIRouter(
        prefix="/admin/configuration", tags=["admin"], dependencies=[Depends(administrators(keys))]
    )
    _look(routes, configuration)
    _compare(routes, configuration)
    _change(routes, configuration)
    return routes


def _look(routes: APIRouter, configuration: Configuration) -> None:
    @routes.get("", responses=failures(401, 403))
    async def show_configuration() -> InForce:
        """The settings in force."""
        return _in_force(configuration)

    @routes.get("/file", responses={**failures(401, 403, 422), 200: {"content": {YAML: {}}}})
    async def read_configuration_file() -> Response:
        """The file's text, literal secrets masked; its ETag is its version."""
        text = await configuration.text()
        shown = masked(text)
        if shown is None:
            raise ConfigurationInvalid("The file is not valid YAML: `hyperbridge check` says where.")
        return Response(shown, media_type=YAML, headers=_versioned(config.version_of(text)))

    @routes.get("/history", responses=failures(401, 403))
    async def list_configuration_versions() -> VersionList:
        """The texts that the file had before, the last one first."""
        return VersionList(
            data=[
                Version(version=each.version, replaced_at=each.replaced_at, size_bytes=each.size_bytes)
                for each in await configuration.history()
            ]
        )


def _compare(routes: APIRouter, configuration: Configuration) -> None:
    @routes.post("/validate", responses=failures(400, 401, 403, 413, 415), openapi_extra=_TEXT)
    async def validate_configuration(request: Request) -> Validity:
        """Check a text, and change nothing."""
        text = await bodies.yaml(request)
        version = config.version_of(text)
        try:
            settings = await configuration.checked(text)
        except config.ConfigError as error:
            return Validity(valid=False, version=version, faults=_faults(error.faults), warnings=[])
        return Validity(
            valid=True, version=version, faults=[], warnings=list(configuration.warnings(settings))
        )

    @routes.post("/diff", responses=failures(400, 401, 403, 413, 415, 422), openapi_extra=_TEXT)
    async def compare_configuration(request: Request) -> Difference:
        """What a text would change, and what of it only after a restart."""
        wanted = await configuration.valid(await bodies.yaml(request))
        now = configuration.status.settings
        found = difference(now, wanted)
        return Difference(
            version=wanted.version,
            diff=found.text,
            secrets=list(found.secrets),
            after_restart=list(after_restart(wanted, now)),
            warnings=list(configuration.warnings(wanted)),
        )


def _change(routes: APIRouter, configuration: Configuration) -> None:
    @routes.put(
        "/file", responses=failures(400, 401, 403, 409, 412, 413, 415, 422, 428, 507), openapi_extra=_TEXT
    )
    async def write_configuration_file(
        request: Request, response: Response, if_match: Annotated[str, Header()] = ""
    ) -> InForce:
        """Put a text into the place of the version that If-Match names, and into force.

        The answer comes when this worker has it; the others see it within a second.
        """
        if not if_match:
            raise VersionUnsaid("Send the ETag of GET /admin/configuration/file as If-Match.")
        text = await bodies.yaml(request)
        if MASK in text:
            raise ConfigurationInvalid(
                f"The text holds {MASK}, which stands for a secret: write ${{NAME}} there, or the secret itself."
            )
        await configuration.write(text, if_match.strip().removeprefix("W/").strip('"'))
        response.headers.update(_versioned(configuration.status.settings.version))
        return _in_force(configuration)

    @routes.post(
        "/rollback",
        responses=failures(400, 401, 403, 404, 409, 412, 413, 415, 422, 507),
        openapi_extra=asked(Rollback),
    )
    async def roll_back_configuration(request: Request, response: Response) -> InForce:
        """Put an earlier text back into the file, and into force."""
        wanted = await bodies.read(request, Rollback)
        await configuration.rollback(wanted.version)
        response.headers.update(_versioned(configuration.status.settings.version))
        return _in_force(configuration)


def _in_force(configuration: Configuration) -> InForce:
    status = configuration.status
    return InForce(
        file=status.file,
        version=status.settings.version,
        applied_at=datetime.fromtimestamp(status.applied_at, UTC),
        faults=_faults(status.faults),
        warnings=list(configuration.warnings(status.settings)),
        after_restart=list(status.after_restart),
        settings=status.settings.redacted(),
    )


def _faults(faults: Sequence[config.Fault]) -> list[Fault]:
    return [
        Fault(
            file=Path(each.file).name,
            line=each.line,
            column=each.column,
            path=each.path,
            message=each.message,
        )
        for each in faults
    ]


def _versioned(version: str) -> dict[str, str]:
    return {"etag": f'"{version}"'}

"""The settings of what is asked beside upstreams: the Redis that counts, the database that remembers."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from app.config.faults import quoted
from app.config.settings import Settings
from app.config.values import EmptyIsNull, FromText, Seconds, expects, is_host, wrong

REDIS_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
SQLITE = "sqlite:///"
DATABASE = f"{SQLITE}hyperbridge.db"
_REDIS = "redis://host:port"
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
STORE_SCHEMES = ("sqlite", "postgresql", "postgres")


def _redis_url(secret: SecretStr | None) -> SecretStr | None:
    if secret is None:
        return None
    _of_scheme(secret, REDIS_SCHEMES, _REDIS)
    parts = urlsplit(secret.get_secret_value())
    _check_options(parts)
    if parts.scheme == "unix":
        return secret
    if parts.scheme.endswith("sentinel") and not re.fullmatch(r"/[^/]+", parts.path):
        raise wrong("must end in the name of the sentinels' master, like redis+sentinel://host:26379/name")
    if parts.scheme in {"redis", "rediss"} and not re.fullmatch(r"/?|/[0-9]{1,4}", parts.path):
        raise wrong("must end in the number of a database, like redis://host:6379/0, or in none")
    if parts.scheme.endswith("cluster") and parts.path.strip("/"):
        raise wrong("must end behind the port: a cluster has one database only")
    for place in parts.netloc.rpartition("@")[2].split(","):
        if not _is_place(place):
            raise wrong(f"must be a URL like {_REDIS}: its host or its port is wrong")
    return secret


def _check_options(parts: SplitResult) -> None:
    """What stands behind the ? must be known for this kind of address."""
    kind = parts.scheme.partition("+")[2]
    known: tuple[str, ...] = ("db",) if kind != "cluster" else ()
    if parts.scheme.startswith("rediss"):
        known += _TLS_OPTIONS
    if kind == "sentinel":
        known += ("sentinel_password",)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for unknown in sorted(given.keys() - set(known)):
        raise wrong(f"knows no {quoted(unknown)} behind its ?; known is {', '.join(known) or 'nothing'}")
    if not given.get("db", "0").isdecimal():
        raise wrong("must have a number as db")


def _is_place(text: str) -> bool:
    """Whether this is a host, with or without a port."""
    try:
        place = urlsplit(f"//{text}")
        return is_host(place.hostname or "") and place.port != 0
    except ValueError:
        return False


def store_url(secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """A file's path is made absolute: below the configuration's folder where it is relative."""
    if secret is None:
        return None
    text = _of_scheme(
        secret, STORE_SCHEMES, "sqlite:///file or postgresql://user@host/name"
    ).get_secret_value()
    if urlsplit(text).scheme != "sqlite":
        return secret
    path = text.removeprefix(SQLITE)
    if path == text or path in {"", ":memory:"} or path.endswith("/"):
        raise wrong("must name a file: sqlite:///file below this file's folder, or sqlite:////folder/file")
    folder: Path = info.context["folder"] if info.context else Path()
    return SecretStr(f"{SQLITE}{(folder / path).absolute()}")


def _of_scheme(secret: SecretStr, schemes: tuple[str, ...], example: str) -> SecretStr:
    text = secret.get_secret_value()
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        scheme = ""
    if scheme not in schemes or not text.isprintable():
        raise wrong(f"must be a URL like {example}; it begins with one of {', '.join(schemes)}")
    return secret


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise wrong("must be 1 to 64 letters, digits and . _ -")
    return text


class Redis(Settings):
    """What is counted together by all workers and hosts."""

    url: Annotated[
        SecretStr | None,
        AfterValidator(_redis_url),
        EmptyIsNull,
        expects(
            "a URL: redis://, rediss:// (TLS), unix://, redis+sentinel://host,host/name or redis+cluster://"
        ),
    ] = Field(default=None, description="the server, with user and password; null is this process alone")
    timeout_seconds: Annotated[float, Field(gt=0, le=10), FromText] = Field(
        default=0.1, description="how long one question may take before the server counts as gone"
    )
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        default="hyperbridge", description="what its keys begin with; another for each installation"
    )


class Room(Settings):
    """How much each key may have remembered."""

    most_scenes: Annotated[int, Field(ge=1), FromText] = Field(
        default=100_000, description="scenes of one key"
    )
    most_bytes: Annotated[int, Field(ge=1), FromText] = Field(
        default=1 << 30,
        description="bytes of its scenes, their vectors, and the texts that they were made from",
    )


class Store(Settings):
    """The database of keys and usage, and of scenes."""

    url: Annotated[
        SecretStr | None,
        AfterValidator(store_url),
        EmptyIsNull,
        Field(
            validate_default=True,
            json_schema_extra={
                "expects": "a URL: sqlite:///file or postgresql://user:password@host/name",
                "default": DATABASE,
            },
        ),
    ] = Field(
        default=SecretStr(DATABASE),
        description="the database; a file's relative path starts at this file's folder; null is none",
    )
    flush_seconds: Seconds = Field(
        default=1.0, description="how often usage is written: what a killed worker loses at most"
    )
    memory: Room = Field(default=Room())

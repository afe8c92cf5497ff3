"""The kinds of value a setting can have: names, addresses, secrets, bounds; each says what would be right."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    SecretStr,
    ValidationInfo,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from app.config.document import Substituted
from app.operations import OPERATIONS
from app.yaml_source import plain_value

KNOWN_CODE = "setting"
"""The error code of messages that are written here, ready to be shown."""

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_CREDENTIAL = re.compile(r"[\x21-\x7e]+")
_OUR_HEADERS = frozenset({
    *(
        "authorization",
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "accept-encoding",
        "expect",
    ),
    # hop-by-hop: RFC 9110 section 7.6.1, and what proxies made of it
    *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
})


def wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError(KNOWN_CODE, "{message}", {"message": message})


def expects(description: str) -> Any:
    """What a message and the reference say that this value must be."""
    return Field(json_schema_extra={"expects": description})


@dataclass(frozen=True, slots=True)
class Matching:
    """Text that this pattern matches as a whole."""

    pattern: str
    description: str

    def check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise wrong(f"must be {self.description}")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "expects": self.description}


def _from_text(value: Any) -> Any:
    """Text from the environment may stand for a number or a boolean; text in the file may not."""
    return plain_value(value) if isinstance(value, Substituted) else value


def _empty_is_null(value: Any) -> Any:
    """An empty variable is one that is not set."""
    return None if isinstance(value, Substituted) and not value else value


FromText = BeforeValidator(_from_text)
EmptyIsNull = BeforeValidator(_empty_is_null)

# FromText stands last: a bound behind it would be missing in the schema that messages and reference read
Flag = Annotated[bool, FromText]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False), FromText]
Count = Annotated[int, Field(ge=1), FromText]


def _host(text: str) -> str:
    if text.startswith("["):
        raise wrong("must be an address or a host name; write an IPv6 address without brackets")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        # what looks like an IPv4 address but is none would be asked of the name server
        if not _HOST_NAME.fullmatch(text) or text.rstrip(".").rpartition(".")[2].isdigit():
            raise wrong("must be an address or a host name, like 127.0.0.1 or localhost") from None
        return text.lower()


Host = Annotated[str, AfterValidator(_host), expects("an address or a host name")]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


_ENDPOINTS = ("/chat/completions", "/v1/models", *OPERATIONS)


def _base_url(text: str) -> str:
    """The address below which the operations live, without a closing slash; never repeated in a message."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong("is not a URL; check its host and port") from None
    if parts.scheme not in {"http", "https"}:
        raise wrong("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise wrong("must not hold a user or a password; a key belongs into api_key")
    if parts.query or parts.fragment or text.rstrip("/").endswith(("?", "#")):
        raise wrong("must end before any ? or #")
    if port == 0 or not is_host(host) or not re.fullmatch(r"[\x21-\x7e]*", text):
        raise wrong("must be like http://host:port/v1, in ASCII and without spaces")
    path = parts.path.rstrip("/")
    if path.endswith(_ENDPOINTS):
        raise wrong("must be the base of the API, ending in /v1: leave out the operation's own path")
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(':')}{path}"


WebOrigin = Annotated[
    str,
    Matching(
        r"\*|https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?",
        "an origin in lower case, like https://app.example.com, or *",
    ),
]


def host_of(url: str) -> str:
    """The host of an address that was found valid."""
    return urlsplit(url).hostname or ""


def is_host(host: str) -> bool:
    """Whether this is an address or a host name."""
    try:
        _host(host)
    except PydanticCustomError:
        return False
    return True


BaseUrl = Annotated[str, AfterValidator(_base_url), expects("an http or https URL, usually ending in /v1")]


def _credential(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text:
        raise wrong("must not be empty")
    if not _CREDENTIAL.fullmatch(text):
        raise wrong("must be printable ASCII without spaces or line breaks")
    return secret


Credential = Annotated[SecretStr, AfterValidator(_credential)]


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise wrong("is not the name of a header; letters, digits and hyphens make one")
    if name.lower() in _OUR_HEADERS:
        raise wrong("is a header that the gateway sets itself; leave it out")
    return name.lower()


def _header_value(secret: SecretStr) -> SecretStr:
    if not _HEADER_VALUE.fullmatch(secret.get_secret_value()):
        raise wrong("must be printable ASCII, not empty and in one line")
    return secret


def _distinct(value: Any) -> Any:
    """Header names know no case, so two spellings of one name would overwrite each other."""
    names = [str(name).lower() for name in value] if isinstance(value, dict) else []
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise wrong("names one header in two spellings; keep one")
    return value


ExtraHeaders = Annotated[
    Mapping[
        Annotated[str, AfterValidator(_header_name)],
        Annotated[SecretStr, AfterValidator(_header_value)],
    ],
    BeforeValidator(_distinct),
    Field(json_schema_extra={"writeOnly": True, "expects": "a mapping of header names to texts"}),
]


def _file(value: Any, info: ValidationInfo) -> Path:
    """A file, below the configuration's folder where its path is relative."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise wrong("must be the path of a file")
    folder: Path = info.context["folder"] if info.context else Path()
    return folder / value


File = Annotated[Path, PlainValidator(_file, json_schema_input_type=str), expects("the path of a file")]

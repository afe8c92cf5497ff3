"""The tree of failures: each knows its HTTP status and the OpenAI error object that says it.

    Failure
    ├── BadRequest              400  the body is not what the operation takes
    ├── PromptTooLong           400  the prompt has more tokens than the configuration lets through
    ├── NoModelFits             400  none of the models that the router chooses from can take the request
    ├── InvalidKey              401  no key, or one that is not known, or does not count any more
    ├── ForbiddenModel          403  the key may not use this model
    ├── AdminOnly               403  keys are managed by keys that may
    ├── ForbiddenGrant          403  a short-lived key asks for another one
    ├── ForbiddenUsage          403  a short-lived key asks for the usage of the one it was made from
    ├── ForbiddenMemory         403  a short-lived key asks for the memory of the one it was made from
    ├── MemoryFull              403  the tenant has as many scenes, or as much of them, as it may
    ├── ForbiddenHost           403  single-user mode, asked by a name that is not loopback
    ├── UnknownPath             404  no such path
    ├── UnknownModel            404  no such model, with the nearest names
    ├── KeyMissing              404  no such key
    ├── SceneMissing            404  no such scene is remembered for this key
    ├── VersionMissing          404  no such version of the configuration is kept
    ├── WrongMethod             405  the path exists, the method does not
    ├── ForbiddenOrigin         403  without keys, asked by a web page from elsewhere
    ├── ClientTooSlow           408  the rest of the request did not come
    ├── KeyConflict             409  the key cannot be made or changed so
    ├── ConfigurationReadOnly   409  the configuration's file cannot be written
    ├── ConfigurationChanged    412  the configuration's file is not the version that was to be replaced
    ├── TooLarge                413  the body is over the limit
    ├── WrongMediaType          415  not JSON, or a compressed body
    ├── ConfigurationInvalid    422  the text is no configuration that can come into force
    ├── VersionUnsaid           428  a change of the configuration does not say which version it replaces
    ├── LimitReached            429  a limit of the key, its user, the model or the gateway, with Retry-After
    │   ├── LimitTooSmall            the request asks for more than the whole limit: never, as it is
    │   └── BudgetSpent              the money of the day or the month is spent
    ├── HeadTooLarge            431  the request's headers are larger than the gateway reads
    ├── ClientLeft              499  nobody is left to answer; written to the record only
    ├── Internal                500  a defect of ours
    ├── Unsupported             501  the upstream does not offer this operation
    ├── LimitsUnknown           503  what counts the limits is gone, and none may be admitted without it
    ├── NoStore                 503  there is no database, or it does not answer
    ├── Stopping                503  the gateway stops, and its time to finish is over
    ├── NoSpace                 507  the disk of the configuration's file is full
    └── UpstreamFailure              the upstream, not the client, is at fault
        ├── UpstreamRefused     4xx  its answer to the client's own mistake, passed on
        │   ├── ContextTooLong       the prompt is longer than the model's context
        │   ├── ContentFiltered      its filter does not let the prompt or the answer through
        │   ├── ModelMissing         it has no such model
        │   └── UpstreamConflict     409 or 425: not now
        ├── UpstreamLimited     429  its rate limit, with Retry-After where it said when
        ├── UpstreamBroken      502  reset, cut, not HTTP, not JSON, 5xx
        ├── CredentialRejected  502  our key is not accepted, or the account is out of money
        ├── UpstreamUnavailable 503  no connection, no free connection, overloaded
        └── UpstreamTimeout     504  first content, gap or total time is over
            └── UpstreamGaveUp       the upstream itself says 408 or 504

`message` goes to the client and never holds a prompt's text, a key or an address; `detail` goes to the log.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Self

import orjson

from app import sse
from app.operations import Dialect

_ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
"""What Anthropic's interface calls a failure, by status."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def kind_of(failure: type["Failure"]) -> str:
    """A failure's name in metrics and logs, from a closed set: `UnknownModel` is `unknown_model`."""
    return _CAPITAL.sub("_", failure.__name__).lower()


class Failure(Exception):
    """Something that ends a call, with what the client is told about it."""

    status = 500
    type = "api_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.detail = detail
        self.headers: Mapping[str, str] = headers or {}

    @property
    def kind(self) -> str:
        """Its name in metrics and logs."""
        return kind_of(type(self))

    def alone(self) -> Self:
        """Without the way it came: the frames there hold the request, for as long as the failure is held."""
        self.__context__ = None
        return self.with_traceback(None)

    def body(self, dialect: Dialect = "plain") -> bytes:
        """The error object as JSON: OpenAI's, or Anthropic's for its own interface."""
        if dialect == "messages":
            inner = {"type": _anthropic_type(self.status), "message": self.message}
            return orjson.dumps({"type": "error", "error": inner})
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})

    def event(self, dialect: Dialect) -> bytes:
        """The event that ends a stream which had begun: never followed by a `[DONE]`."""
        if dialect == "responses":
            said = {"type": "error", "code": self.code, "message": self.message, "param": self.param}
            return sse.write(orjson.dumps(said), b"error")
        return sse.write(self.body(dialect), b"error" if dialect == "messages" else b"")


def _anthropic_type(status: int) -> str:
    if status in _ANTHROPIC_TYPES:
        return _ANTHROPIC_TYPES[status]
    return "invalid_request_error" if status < 500 else "api_error"


class BadRequest(Failure):
    status = 400
    type = "invalid_request_error"


class PromptTooLong(Failure):
    """As OpenAI tells a prompt that does not fit into a model, since clients know what to do then: make it shorter."""

    status = 400
    type = "invalid_request_error"
    code = "context_length_exceeded"


class NoModelFits(Failure):
    status = 400
    type = "invalid_request_error"
    code = "no_model_fits"


class InvalidKey(Failure):
    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"www-authenticate": 'Bearer realm="hyperbridge"'})


class ForbiddenModel(Failure):
    status = 403
    type = "invalid_request_error"
    code = "model_not_allowed"


class AdminOnly(Failure):
    status = 403
    type = "invalid_request_error"
    code = "admin_only"


class ForbiddenGrant(Failure):
    status = 403
    type = "invalid_request_error"
    code = "ephemeral_key_not_allowed"


class ForbiddenUsage(Failure):
    status = 403
    type = "invalid_request_error"
    code = "usage_not_allowed"


class ForbiddenMemory(Failure):
    status = 403
    type = "invalid_request_error"
    code = "memory_not_allowed"


class MemoryFull(Failure):
    status = 403
    type = "invalid_request_error"
    code = "memory_full"


class ForbiddenHost(Failure):
    status = 403
    type = "invalid_request_error"
    code = "host_not_allowed"


class ForbiddenOrigin(Failure):
    status = 403
    type = "invalid_request_error"
    code = "origin_not_allowed"


class UnknownPath(Failure):
    status = 404
    type = "invalid_request_error"
    code = "unknown_url"


class UnknownModel(Failure):
    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class KeyMissing(Failure):
    status = 404
    type = "invalid_request_error"
    code = "key_not_found"


class SceneMissing(Failure):
    status = 404
    type = "invalid_request_error"
    code = "scene_not_found"


class AdapterMissing(Failure):
    status = 404
    type = "invalid_request_error"
    code = "adapter_not_found"


class VersionMissing(Failure):
    status = 404
    type = "invalid_request_error"
    code = "version_not_found"


class WrongMethod(Failure):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class ClientTooSlow(Failure):
    status = 408
    type = "invalid_request_error"
    code = "request_timeout"


class KeyConflict(Failure):
    status = 409
    type = "invalid_request_error"
    code = "key_conflict"


class AdapterConflict(Failure):
    status = 409
    type = "invalid_request_error"
    code = "adapter_conflict"


class ConfigurationReadOnly(Failure):
    status = 409
    type = "invalid_request_error"
    code = "configuration_read_only"


class ConfigurationChanged(Failure):
    status = 412
    type = "invalid_request_error"
    code = "configuration_changed"


class TooLarge(Failure):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class WrongMediaType(Failure):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class ConfigurationInvalid(Failure):
    status = 422
    type = "invalid_request_error"
    code = "configuration_invalid"


class VersionUnsaid(Failure):
    status = 428
    type = "invalid_request_error"
    code = "if_match_missing"


class LimitReached(Failure):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class LimitTooSmall(LimitReached):
    """Asking again changes nothing, and OpenAI's clients are told so."""


class BudgetSpent(LimitReached):
    type = "insufficient_quota"
    code = "insufficient_quota"


class HeadTooLarge(Failure):
    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"


class ClientLeft(Failure):
    """`let_go_seconds` is how long after the connection's end all that was done for the call had ended."""

    status = 499
    type = "client_left"
    let_go_seconds = 0.0


class Internal(Failure):
    status = 500
    type = "api_error"
    code = "internal_error"


class Unsupported(Failure):
    status = 501
    type = "invalid_request_error"
    code = "unsupported_operation"


class LimitsUnknown(Failure):
    status = 503
    type = "api_error"
    code = "limits_unknown"


class NoStore(Failure):
    status = 503
    type = "api_error"
    code = "store_unavailable"


class Stopping(Failure):
    status = 503
    type = "api_error"
    code = "gateway_stopping"

    def __init__(self, message: str = "The gateway is stopping: ask again.") -> None:
        super().__init__(message, headers={"retry-after": "1", "connection": "close"})


class NoSpace(Failure):
    status = 507
    type = "api_error"
    code = "no_space"


class UpstreamFailure(Failure):
    """The upstream answered with a failure, badly, or not at all.

    `where` is the replica it happened at, `elsewhere` whether one that was not asked yet stands by. One that is
    `blameless` comes from a bound of our own, and says nothing about the upstream; one that is `answered` the upstream
    told itself. `limits` are the header lines about rate limits that it told it with.
    """

    where = ""
    elsewhere = False
    blameless = False
    answered = False
    limits: Sequence[tuple[bytes, bytes]] = ()


class UpstreamRefused(UpstreamFailure):
    """An upstream's 4xx: the client's own mistake, told in the client's language.

    `status` and `type` are the upstream's; `raw` is its body where that already is an OpenAI error object.
    """

    type = "invalid_request_error"

    def __init__(  # noqa: PLR0913 - the members of the wire's error object
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's own name
        code: str | None = None,
        param: str | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, param=param, headers=headers)
        self.status = status
        self.type = type
        self.code = code
        self.raw = raw

    def body(self, dialect: Dialect = "plain") -> bytes:
        return self.raw if self.raw is not None else super().body(dialect)


class ContextTooLong(UpstreamRefused):
    """The prompt does not fit into the model's context."""


class ContentFiltered(UpstreamRefused):
    """A filter at the upstream has refused; that is an answer, and is not routed around."""


class ModelMissing(UpstreamRefused):
    """The upstream has no such model."""


class UpstreamConflict(UpstreamRefused):
    """409 or 425: the same request may be taken a moment later."""


class UpstreamLimited(UpstreamFailure):
    status = 429
    type = "rate_limit_error"
    code = "upstream_rate_limited"


class UpstreamBroken(UpstreamFailure):
    status = 502
    type = "upstream_error"
    code = "upstream_broken"


class CredentialRejected(UpstreamFailure):
    status = 502
    type = "upstream_error"
    code = "upstream_credential_rejected"


class UpstreamUnavailable(UpstreamFailure):
    status = 503
    type = "upstream_error"
    code = "upstream_unavailable"


class UpstreamTimeout(UpstreamFailure):
    status = 504
    type = "upstream_error"
    code = "upstream_timeout"


class UpstreamGaveUp(UpstreamTimeout):
    """The upstream itself answered that the time is over."""

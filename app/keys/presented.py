"""What a request's headers say of who sends it. Pure."""

from collections.abc import Mapping

LOOPBACK_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


def presented(headers: Mapping[bytes, bytes]) -> bytes:
    """The key as OpenAI's clients send it, or as Anthropic's do; b"" for none."""
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    return headers.get(b"x-api-key", b"").strip()


def is_loopback_name(authority: bytes) -> bool:
    """Whether a host, with or without its port, is this machine by one of its own names."""
    host = authority.lower()
    name = host[: host.index(b"]") + 1] if b"]" in host else host.partition(b":")[0]
    return name in LOOPBACK_NAMES

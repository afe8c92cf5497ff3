"""A file's text, bounded and in UTF-8."""

from hashlib import sha256
from pathlib import Path

from app.config.faults import ConfigError, Fault
from app.yaml_source import MAX_BYTES


def read_text(path: Path) -> str:
    """The text, without a byte order mark; a ConfigError where it cannot be had."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, 1, "there is no such file") from None
    except OSError as error:
        raise _unreadable(path, 1, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _unreadable(path, 1, f"larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, line, "not valid UTF-8") from None


def version_of(text: str) -> str:
    """A name for this text, which another text does not have: 16 digits of its SHA-256."""
    return sha256(text.encode()).hexdigest()[:16]


def _unreadable(path: Path, line: int, reason: str) -> ConfigError:
    return ConfigError([Fault(str(path), line, 1, "", reason)])

"""Settings that hold from the start of the process to its end."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.config.databases import Redis, Store
from app.config.schema import Config, Metrics, Sections

LASTING: Mapping[str, frozenset[str]] = {
    "server": frozenset({"host", "port", "workers", "client_gap_seconds", "drain_seconds"}),
    "limits": frozenset({"offline_share"}),
    "redis": frozenset(Redis.model_fields),
    "store": frozenset(Store.model_fields),
    "metrics": frozenset(Metrics.model_fields),
    "logs": frozenset({"file"}),
}


def lasting(wanted: Config, running: Config) -> Config:
    """What of the wanted settings can come into force while these run: all but those that hold to the end."""
    sections: dict[str, Any] = {
        section: getattr(wanted, section).model_copy(
            update={name: getattr(getattr(running, section), name) for name in names}
        )
        for section, names in LASTING.items()
    }
    hidden = wanted.hidden | {path for path in running.hidden if path[0] in LASTING}
    return wanted.model_copy(update={**sections, "hidden": hidden})


def after_restart(wanted: Sections, running: Sections) -> Iterator[str]:
    """The settings, as `server.port`, that only a restart brings into force."""
    for section, names in LASTING.items():
        new, old = getattr(wanted, section), getattr(running, section)
        yield from (f"{section}.{name}" for name in sorted(names) if getattr(new, name) != getattr(old, name))

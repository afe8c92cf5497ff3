"""How the gateway is served: uvicorn with uvloop and httptools (docs/decisions/0001)."""

from starlette.types import ASGIApp

from app.protocol import Protocol, Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than the idle time of common clients and proxies, so that they close first."""

WORKER_SECONDS = 30
"""How long a worker may take to start, or to show that it lives; starting took 8 s on a machine that was busy."""


def settings(
    application: ASGIApp | str,
    *,
    factory: bool = False,
    workers: int = 1,
    drain_seconds: float = 30.0,
    client_gap_seconds: float = Settings.client_gap_seconds,
) -> Settings:
    """Uvicorn's settings for an application, or for the name of what makes one in each worker."""
    made = Settings(
        application,
        factory=factory,
        workers=workers,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks for the client's address
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(drain_seconds),  # of a server that does not drain
        timeout_worker_healthcheck=WORKER_SECONDS,
    )
    made.client_gap_seconds = client_gap_seconds
    made.drain_seconds = drain_seconds
    return made

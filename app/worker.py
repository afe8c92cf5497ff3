"""One worker process: reads the configuration, sets up logging, builds the application.

uvicorn imports `application` in every worker; what the command line decided reaches it by the environment.
"""

import gc
import logging
import os
import sys
from pathlib import Path

from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from app import config, logs
from app.config.secrets import secrets_of
from app.configuration import Origin
from app.contracts import CannotStart
from app.routing.templates import looked_into

_log = logging.getLogger("hyperbridge")

CONFIG = "HYPERBRIDGE_CONFIG"
HASH_KEY = "HYPERBRIDGE_HASH_KEY"
SIGNING_KEY = "HYPERBRIDGE_SIGNING_KEY"
"""What short-lived keys are signed with; the store's own secret where it is empty."""
SPARE = "HYPERBRIDGE_SPARE_CONFIG"
"""Where workers leave the text of the configuration in force."""
COUNT = "HYPERBRIDGE_WORKER_COUNT"
"""How many workers there are, among whom limits are divided where nothing counts them together."""

REPLACES = "HYPERBRIDGE_WORKER_REPLACES"
"""Set where the worker takes the place of one that died."""


def application() -> ASGIApp:
    """The gateway of the configuration file that the environment names. Ends the process with `STARTUP_FAILURE`, and
    one line, where it cannot be made of it.
    """
    try:
        return _made()
    except (config.ConfigError, CannotStart, ValueError) as error:  # what a reload would keep out
        _log.critical("the worker cannot start: %s", error)
        sys.exit(STARTUP_FAILURE)


def _made() -> ASGIApp:
    path = Path(os.environ[CONFIG])
    spare = Path(os.environ[SPARE]) if SPARE in os.environ else None
    settings = looked_into(_settings(path, spare if REPLACES in os.environ else None))
    own = [os.environ.get(name, "") for name in (HASH_KEY, SIGNING_KEY)]
    sink = logs.set_up(settings.logs.level, settings.logs.file, [*own, *secrets_of(settings)])
    from app.main import create_app  # noqa: PLC0415 - metrics must be imported after the environment is set

    app = create_app(
        settings,
        sink,
        Origin(path, spare),
        hash_key=os.environ.get(HASH_KEY, ""),
        signing_key=os.environ.get(SIGNING_KEY, ""),
        workers=int(os.environ.get(COUNT, "1")),
        replaces=REPLACES in os.environ,
    )
    # What lives from here to the end need not be looked at by the collector again; with the default
    # thresholds it takes 10 to 60 ms out of the slowest requests (docs/decisions/0003).
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return app


def _settings(path: Path, spare: Path | None) -> config.Config:
    """Those of the file; where it is wrong and another text was in force before, those of that."""
    environment = config.read_environment(path.absolute().parent)
    try:
        return config.load(path, environment)
    except config.ConfigError:
        if spare is None or not spare.exists():
            raise
        return config.of_text(config.read_text(spare), path, environment)

"""A canary: a model on trial, rolled back where it does worse than its bounds. Pure: moments are passed in."""

from app import config
from app.contracts import Route
from app.window import Window


class Canary:
    """The trial of one name's canary in this worker; it ends with the settings that it was made for.

    `verdict` says why it was rolled back; "" while it runs.
    """

    def __init__(self, alias: str, settings: config.Canary, route: Route) -> None:
        self.alias = alias
        self.settings = settings
        self.route = route
        self.verdict = ""
        self._window = Window(settings.window_seconds, 4)

    def is_of(self, settings: config.Canary, route: Route) -> bool:
        """Whether it is the trial of the same model by the same bounds."""
        return self.settings == settings and self.is_at(route)

    def is_at(self, route: Route) -> bool:
        """Whether this is where its calls go."""
        return (self.route.upstream, self.route.model) == (route.upstream, route.model)

    def note(self, now: float, *, failed: bool, first_seconds: float | None) -> bool:
        """An attempt has ended, a stream's first content so long after it was sent. Whether that rolls it back."""
        bound = self.settings.first_content_seconds
        timed = slow = 0
        if bound is not None and first_seconds is not None:
            timed, slow = 1, int(first_seconds > bound)
        self._window.add(now, 1, int(failed), timed, slow)
        if self.verdict:
            return False
        self.verdict = self._judged(now)
        return bool(self.verdict)

    def _judged(self, now: float) -> str:
        """What is wrong with it. The median is above the bound where more than half of the streams are."""
        calls, failures, timed, slow = self._window.sums(now)
        settings = self.settings
        if calls >= settings.least_calls and failures > calls * settings.error_rate:
            return f"{failures} of {calls} attempts failed"
        if timed >= settings.least_calls and 2 * slow > timed:
            return f"{slow} of {timed} streams took more than {settings.first_content_seconds:g} s to begin"
        return ""

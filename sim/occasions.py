"""On which requests a script's faults come: the first ones, every third or so, or by the clock."""

from dataclasses import dataclass, field

from sim.script import BadScript, Script

MAX_NAMES = 10_000


@dataclass(slots=True)
class _Name:
    since: float
    requests: int = 0


@dataclass(slots=True)
class Occasions:
    """What was asked by each name so far; of names beyond a bound, the oldest are forgotten."""

    _names: dict[str, _Name] = field(default_factory=dict)

    def script(self, name: str, script: Script, now: float) -> Script:
        """What this request, one more by its name, gets of its script. Raises BadScript."""
        if script.fail < 0 and script.every < 0 and not script.flap:
            return script
        seen = self._names.setdefault(name, _Name(now))
        if len(self._names) > MAX_NAMES:
            del self._names[next(iter(self._names))]
        seen.requests += 1
        return script if _comes(script, seen, now) else script.good()

    def forget(self) -> None:
        self._names.clear()


def _comes(script: Script, seen: _Name, now: float) -> bool:
    if 0 <= script.fail < seen.requests:
        return False
    if script.every > 0 and seen.requests % script.every:
        return False
    if script.flap:
        on, off = _times(script.flap)
        return (now - seen.since) % (on + off) < on
    return True


def _times(flap: str) -> tuple[float, float]:
    try:
        on, off = (float(part) for part in flap.split(","))
    except ValueError:
        raise BadScript("flap is two times: on,off") from None
    if min(on, off) < 0 or on + off == 0:
        raise BadScript("flap is two times: on,off")
    return on, off

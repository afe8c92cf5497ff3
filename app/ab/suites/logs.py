"""Questions about a log: when, which, how often, and what was last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from app.ab.suites.drawn import Drawn, address, hexadecimal

_START = datetime(2026, 3, 9, 6, 14, 3, tzinfo=UTC)
_HOSTS = ("web-01", "web-02", "web-03", "db-01", "cache-07")
_USERS = ("oracle", "postgres", "ubuntu", "backup", "git", "jenkins")
_DISKS = ("sda1", "sdb1", "nvme0n1", "nvme1n1")
_PATHS = ("/api/v1/orders", "/api/v1/users/cart", "/api/v1/search", "/login", "/healthz")
_KINDS = ("request", "disk", "login")
_TERSE = {
    "request": "api[{pid}]: request {request} {method} {path} status={status} duration_ms={ms} client={client}",
    "disk": "monitor[{pid}]: disk {disk} used={used}% free_gib={free}",
    "login": "sshd[{pid}]: Failed password for invalid user {user} from {client} port {port} ssh2",
}
_WORDY = {
    "request": (
        " INFO 1 --- [nio-8080-exec-{thread}] com.example.shop.web.RequestLogger       "
        ": Completed request {request} {method} {path} with status {status} in {ms} ms for client {client}"
    ),
    "disk": (
        " INFO 1 --- [   scheduling-1] com.example.shop.health.DiskSpaceMonitor "
        ": Disk space of device {disk}: used {used} percent, free {free} GiB, threshold not exceeded"
    ),
    "login": (
        " WARN 1 --- [nio-8080-exec-{thread}] com.example.shop.security.AuthListener   "
        ": Authentication failure: invalid user {user} from client {client} (reason=BadCredentials)"
    ),
}
_KEYED = {
    "request": (
        'level=info component=api msg="request handled" request_id={request} method={method} path={path} '
        "status={status} duration_ms={ms} client={client} region=eu-north1 env=production"
    ),
    "disk": (
        'level=info component=monitor msg="disk usage collected" disk={disk} used_percent={used} free_gib={free} '
        "region=eu-north1 env=production"
    ),
    "login": (
        'level=warn component=auth msg="login failed" user="invalid user {user} from {client}" attempt_port={port} '
        "region=eu-north1 env=production"
    ),
}
_TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%b %d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class _Line:
    at: str
    host: str
    kind: str
    values: Mapping[str, str]

    def said(self, templates: Mapping[str, str]) -> str:
        return f"{self.at} {self.host} {templates[self.kind].format_map(self.values)}"


def draw(chance: Random) -> Drawn:
    """A log of 60 to 110 lines, and one question about it."""
    lines = _lines(chance, chance.choice(_TIMES), chance.randrange(60, 111))
    drawn = chance.choice(_ASKING)(chance, lines)
    templates = chance.choice((_TERSE, _WORDY, _WORDY, _KEYED))
    data = "\n".join(line.said(templates) for line in lines)
    return Drawn(drawn.part, drawn.asked, drawn.answer, drawn.kind, data, "log")


def _lines(chance: Random, time: str, count: int) -> Sequence[_Line]:
    """At least one of each kind."""
    found: list[_Line] = []
    at = _START + timedelta(seconds=chance.randrange(30 * 86_400))
    kinds = [*_KINDS, *chance.choices(_KINDS, (5, 3, 3), k=count - len(_KINDS))]
    chance.shuffle(kinds)
    for kind in kinds:
        at += timedelta(seconds=chance.randrange(1, 40))
        found.append(_Line(at.strftime(time), chance.choice(_HOSTS), kind, _values(chance)))
    return found


def _values(chance: Random) -> Mapping[str, str]:
    return {
        "thread": str(chance.randrange(1, 10)),
        "pid": str(chance.randrange(300, 32_000)),
        "request": f"req-{hexadecimal(chance, 8)}",
        "method": chance.choice(("GET", "POST")),
        "path": chance.choice(_PATHS),
        "status": chance.choices(("200", "204", "404", "502"), (80, 8, 8, 4))[0],
        "ms": str(chance.randrange(2, 4_000)),
        "client": address(chance),
        "disk": chance.choice(_DISKS),
        "used": str(chance.randrange(11, 99)),
        "free": str(chance.randrange(5, 900)),
        "user": chance.choice(_USERS),
        "port": str(chance.randrange(32_768, 60_999)),
    }


def _of(lines: Sequence[_Line], kind: str) -> Sequence[_Line]:
    return [line for line in lines if line.kind == kind]


def _when(chance: Random, lines: Sequence[_Line]) -> Drawn:
    line = chance.choice(_of(lines, "request"))
    asked = f"At which time was {line.values['request']} logged? Write date and time as the log does."
    return Drawn("time", asked, line.at)


def _from_where(chance: Random, lines: Sequence[_Line]) -> Drawn:
    line = chance.choice(_of(lines, "request"))
    return Drawn("client", f"Which client sent {line.values['request']}?", line.values["client"])


def _how_long(chance: Random, lines: Sequence[_Line]) -> Drawn:
    line = chance.choice(_of(lines, "request"))
    asked = f"How many milliseconds did {line.values['request']} take?"
    return Drawn("duration", asked, int(line.values["ms"]), "number")


def _how_often(chance: Random, lines: Sequence[_Line]) -> Drawn:
    logins = _of(lines, "login")
    user = chance.choice(logins).values["user"]
    count = sum(line.values["user"] == user for line in logins)
    asked = f"How many times did the password of the invalid user {user} fail, on all hosts together?"
    return Drawn("count", asked, count, "number")


def _last(chance: Random, lines: Sequence[_Line]) -> Drawn:
    disks = _of(lines, "disk")
    one = chance.choice(disks)
    host, disk = one.host, one.values["disk"]
    same = [line for line in disks if (line.host, line.values["disk"]) == (host, disk)]
    asked = f"What share of disk {disk} on {host} was used when it was last logged, in percent?"
    return Drawn("last", asked, int(same[-1].values["used"]), "number")


_ASKING: Sequence[Callable[[Random, Sequence[_Line]], Drawn]] = (
    _when,
    _from_where,
    _how_long,
    _how_often,
    _last,
)

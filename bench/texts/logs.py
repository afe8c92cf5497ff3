"""Logs as common programs write them, with values drawn from one seed: the same on every machine."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

LINES = 300
_START = datetime(2026, 3, 9, 6, 14, 3, 117_000, tzinfo=UTC)
_PATHS = (
    "/",
    "/api/v1/orders",
    "/api/v1/orders/{n}",
    "/api/v1/users/{n}/cart",
    "/static/app.{h}.js",
    "/healthz",
    "/login",
)
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "kube-probe/1.30",
    "python-requests/2.32.3",
)
_USERS = ("root", "admin", "oracle", "test", "ubuntu", "git", "postgres", "webmaster")
_UNITS = (
    "Daily apt download activities",
    "Rotate log files",
    "Clean PHP session files",
    "Discard unused blocks",
    "Daily man-db regeneration",
)
_CLASSES = ("OrderService", "PaymentGateway", "InventoryClient", "CartController", "SessionRepository")
_NODES = ("ip-10-0-3-17", "ip-10-0-3-42", "ip-10-0-7-5")


def drawn(seed: str) -> Random:
    """A source of values that are the same in every process."""
    return Random(seed)  # noqa: S311 - texts, no secrets


def nginx() -> str:
    def line(chance: Random, at: datetime) -> str:
        path = chance.choice(_PATHS).format(n=chance.randrange(10_000, 99_999), h=_hex(chance, 8))
        status, size = chance.choices((200, 304, 404, 502), (85, 8, 5, 2))[0], chance.randrange(120, 48_000)
        request = f"{chance.choices(('GET', 'POST'), (8, 2))[0]} {path} HTTP/1.1"
        return f'{_address(chance)} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "{request}" {status} {size} "-" "{chance.choice(_AGENTS)}"'

    return _log("nginx", line, 220)


def sshd() -> str:
    drawing = drawn("sshd.sessions")
    peers = [_address(drawing) for _ in range(24)]
    sessions = [
        (
            drawing.randrange(20_000, 29_999),
            drawing.choice(_USERS),
            drawing.choice(peers),
            drawing.randrange(32_768, 60_999),
        )
        for _ in range(LINES // 3)
    ]

    def line(chance: Random, at: datetime) -> str:
        pid, user, peer, port = chance.choice(sessions)
        head = f"{at:%b} {at.day:2} {at:%H:%M:%S} bastion sshd[{pid}]:"
        said = (
            f"Failed password for invalid user {user} from {peer} port {port} ssh2",
            f"Invalid user {user} from {peer} port {port}",
            f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={peer}  user={user}",
            f"Received disconnect from {peer} port {port}:11: Bye Bye [preauth]",
            f"Connection closed by authenticating user {user} {peer} port {port} [preauth]",
            f"Accepted publickey for deploy from {peer} port {port} ssh2: ED25519 SHA256:{_hex(chance, 40)}",
        )
        return f"{head} {chance.choices(said, (30, 20, 25, 12, 10, 3))[0]}"

    return _log("sshd", line, LINES)


def systemd() -> str:
    def line(chance: Random, at: datetime) -> str:
        unit, pid = chance.choice(_UNITS), chance.randrange(900, 99_999)
        head = f"{at:%b %d %H:%M:%S} web-02"
        said = (
            f"systemd[1]: Starting {unit}...",
            f"systemd[1]: Finished {unit}.",
            f"systemd[1]: session-{chance.randrange(1, 999)}.scope: Deactivated successfully.",
            f"CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
            f"CRON[{pid}]: pam_unix(cron:session): session closed for user root",
            f"kernel: [{chance.randrange(10**5)}.{chance.randrange(10**6):06}] TCP: request_sock_TCP: Possible SYN flooding on port {chance.choice((80, 443))}. Sending cookies.",
            f'dockerd[712]: time="{at:%Y-%m-%dT%H:%M:%S}.{chance.randrange(10**9):09}Z" level=info msg="ignoring event" container={_hex(chance, 64)} module=libcontainerd namespace=moby',
        )
        return f"{head} {chance.choices(said, (20, 20, 15, 15, 15, 8, 7))[0]}"

    return _log("systemd", line, LINES)


def spring() -> str:
    def line(chance: Random, at: datetime) -> str:
        kind, order = chance.choice(_CLASSES), chance.randrange(100_000, 999_999)
        said = (
            (
                "INFO ",
                f"Order {order} created for customer {chance.randrange(1000, 9999)} total={chance.uniform(5, 900):.2f} EUR",
            ),
            ("DEBUG", f"Cache hit for key cart:{_hex(chance, 12)} (ttl={chance.randrange(10, 3600)}s)"),
            ("INFO ", f"Completed 200 OK in {chance.randrange(2, 900)} ms"),
            (
                "WARN ",
                f"Slow query on orders by id {order}: {chance.randrange(1000, 9000)} ms",
            ),
            ("ERROR", f"Payment {_uuid(chance)} declined: insufficient_funds"),
        )
        level, text = chance.choices(said, (30, 30, 25, 10, 5))[0]
        head = f"{_milliseconds(at, ' ', '.')}  {level} 1 --- [nio-8080-exec-{chance.randrange(1, 11)}]"
        return f"{head} c.example.shop.{kind:<24} : {text}"

    return _log("spring", line, LINES)


def kubernetes() -> str:
    def line(chance: Random, at: datetime) -> str:
        pod = f"checkout-{_hex(chance, 9)}-{_hex(chance, 5)}"
        said = (
            (
                "I",
                "kubelet.go:2461",
                f'"SyncLoop (PLEG): event for pod" pod="shop/{pod}" event={{"ID":"{_uuid(chance)}","Type":"ContainerStarted"}}',
            ),
            (
                "I",
                "pod_startup_latency_tracker.go:102",
                f'"Observed pod startup duration" pod="shop/{pod}" podStartSLOduration={chance.uniform(1, 9):.6f}',
            ),
            (
                "E",
                "pod_workers.go:1298",
                f'"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"app\\" with CrashLoopBackOff" pod="shop/{pod}"',
            ),
            ("I", "scope.go:117", f'"RemoveContainer" containerID="{_hex(chance, 64)}"'),
        )
        level, place, text = chance.choices(said, (40, 25, 20, 15))[0]
        return f"{level}{at:%m%d %H:%M:%S}.{at.microsecond:06}    1042 {place}] {text}"

    return _log("kubernetes", line, 220)


def json_lines() -> str:
    def line(chance: Random, at: datetime) -> str:
        return json.dumps({
            "ts": _milliseconds(at, "T", ".") + "Z",
            "level": chance.choices(("info", "warn", "error"), (88, 9, 3))[0],
            "service": "checkout",
            "node": chance.choice(_NODES),
            "msg": chance.choice(("request handled", "cache miss", "retrying upstream", "message published")),
            "trace_id": _hex(chance, 32),
            "duration_ms": round(chance.expovariate(1 / 40), 3),
            "status": chance.choices((200, 201, 404, 503), (80, 10, 7, 3))[0],
        })

    return _log("json-lines", line, 200)


def hdfs() -> str:
    drawing = drawn("hdfs.blocks")
    blocks = [f"blk_{drawing.randrange(-(10**19), 10**19)}" for _ in range(LINES // 5)]

    def line(chance: Random, at: datetime) -> str:
        block, one, two = chance.choice(blocks), _inner(chance), _inner(chance)
        said = (
            (
                "dfs.DataNode$DataXceiver",
                f"Receiving block {block} src: /{one}:{chance.randrange(40_000, 60_000)} dest: /{two}:50010",
            ),
            (
                "dfs.DataNode$PacketResponder",
                f"PacketResponder {chance.randrange(3)} for block {block} terminating",
            ),
            ("dfs.DataNode$PacketResponder", f"Received block {block} of size 67108864 from /{one}"),
            (
                "dfs.FSNamesystem",
                f"BLOCK* NameSystem.addStoredBlock: blockMap updated: {two}:50010 is added to {block} size {chance.randrange(10**5, 67108864)}",
            ),
            (
                "dfs.FSDataset",
                f"Deleting block {block} file /mnt/hadoop/dfs/data/current/subdir{chance.randrange(64)}/{block}",
            ),
        )
        kind, text = chance.choice(said)
        return f"{at:%y%m%d %H%M%S} {chance.randrange(10, 9999)} INFO {kind}: {text}"

    return _log("hdfs", line, LINES)


def openstack() -> str:
    project = "54fadb412c4e40cdbaed9335e4c35a9e"
    user = "113d3a99c3da401fbd62cc2caa5b96d2"
    drawing = drawn("openstack.instances")
    instances = [_uuid(drawing) for _ in range(20)]

    def line(chance: Random, at: datetime) -> str:
        request, instance = _uuid(chance), chance.choice(instances)
        said = (
            (
                "nova.osapi_compute.wsgi.server",
                f'10.11.10.1 "GET /v2/{project}/servers/detail HTTP/1.1" status: 200 len: {chance.randrange(1500, 2000)} time: {chance.random():.7f}',
            ),
            (
                "nova.compute.manager",
                f"[instance: {instance}] VM {chance.choice(('Started', 'Paused', 'Resumed', 'Stopped'))} (Lifecycle Event)",
            ),
            (
                "nova.virt.libvirt.imagecache",
                "image 0673dd71-34c5-4fbb-86c4-40623fbe45b4 at (/var/lib/nova/instances/_base/a489c868f0c37da93b76227c91bb03908ac0e742): checking",
            ),
            (
                "nova.compute.claims",
                f"[instance: {instance}] Total memory: 64172 MB, used: {chance.randrange(512, 9000)}.00 MB",
            ),
        )
        module, text = chance.choices(said, (45, 25, 15, 15))[0]
        who = f"[req-{request} {user} {project} - - -]"
        return f"nova.log.1.2017-05-16 {_milliseconds(at, ' ', '.')} {chance.randrange(2900, 25800)} INFO {module} {who} {text}"

    return _log("openstack", line, 170)


def _log(seed: str, line: Callable[[Random, datetime], str], lines: int) -> str:
    chance = drawn(seed)
    return "".join(line(chance, at) + "\n" for at in _times(chance, lines))


def _times(chance: Random, count: int) -> Iterator[datetime]:
    at = _START
    for _ in range(count):
        at += timedelta(milliseconds=chance.expovariate(1 / 2_500))
        yield at


def _milliseconds(at: datetime, between: str, point: str) -> str:
    return f"{at:%Y-%m-%d}{between}{at:%H:%M:%S}{point}{at.microsecond // 1000:03}"


def _hex(chance: Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def _uuid(chance: Random) -> str:
    digits = _hex(chance, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _address(chance: Random) -> str:
    return f"203.0.{chance.choice((113, 7, 81))}.{chance.randrange(1, 255)}"


def _inner(chance: Random) -> str:
    return f"10.250.{chance.randrange(20)}.{chance.randrange(1, 255)}"

"""What tools print, made: the same for a seed."""

from collections.abc import Callable
from random import Random


def address(random: Random) -> str:
    return ".".join(str(random.randint(1, 254)) for _ in range(4))


def daemon(random: Random, second: int) -> str:
    user, port = random.choice(["root", "admin", "oracle"]), random.randint(1024, 65000)
    said = [
        f"Failed password for invalid user {user} from {address(random)} port {port} ssh2",
        f"Connection closed by {address(random)} [preauth]",
        "pam_unix(sshd:auth): check pass; user unknown",
    ]
    return f"Dec 10 {clock(second)} LabSZ sshd[{random.randint(20000, 29999)}]: {random.choice(said)}"


def executor(random: Random, second: int) -> str:
    task, stage = random.randint(0, 40), random.randint(0, 20)
    said = [
        f"executor.Executor: Running task {task}.0 in stage {stage}.0 (TID {second})",
        f"storage.BlockManager: Found block rdd_{task}_{stage} locally",
        f"storage.MemoryStore: Block broadcast_{task} stored as values in memory (estimated size {stage}.5 KB)",
    ]
    return f"17/06/09 {clock(second)} INFO {random.choice(said)}"


def server(random: Random, second: int) -> str:
    asked = random.choice([
        "GET /index.html",
        "GET /static/app.js",
        f"POST /orders/{random.randint(1, 9999)}",
    ])
    agent = random.choice([
        "curl/7.88.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    ])
    status = random.choice([200, 200, 304, 404])
    told = f'"{asked} HTTP/1.1" {status} {random.randint(100, 50000)} "-" "{agent}"'
    return f"{address(random)} - - [18/Oct/2015:{clock(second)} +0000] {told}"


def clock(second: int) -> str:
    return f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"


def log(kind: Callable[[Random, int], str], lines: int = 300, seed: int = 1) -> str:
    random = Random(seed)
    return "".join(kind(random, 3 * line) + "\n" for line in range(lines))


def tree(seed: int = 1) -> list[str]:
    """Paths in the order in which find prints them."""
    random = Random(seed)
    paths = ["/usr/share/doc"]
    for package in range(40):
        paths.append(f"/usr/share/doc/lib{package}-java")
        names = ["copyright", "changelog.gz", "README.md", "NEWS.gz"]
        paths += [f"{paths[-1]}/{name}" for name in random.sample(names, random.randint(1, 4))]
    return paths


def listing(seed: int = 1) -> str:
    """Like `ls -lR`."""
    random = Random(seed)
    told = []
    for folder in range(12):
        told += [f"/etc/part{folder}:", f"total {random.randint(4, 900)}"]
        for file in range(random.randint(2, 12)):
            rights = random.choice(["-rw-r--r-- 1", "-rw-r--r-- 1", "drwxr-xr-x 2", "-rwxr-xr-x 1"])
            date = random.choice(["Jun 24  2025", "Jun 24  2025", "Dec  1 03:07"])
            told.append(f"{rights} root root {random.randint(10, 99999):5} {date} file{file}.conf")
        told.append("")
    return "\n".join(told)


def found(*, numbered: bool = True, seed: int = 1) -> str:
    """Like `grep -r`, with `-n` or without."""
    random = Random(seed)
    told = []
    for path in tree(seed):
        line = 0
        for _ in range(random.randint(0, 5)):
            line += random.randint(1, 40)
            told.append(f"{path}:{f'{line}:' * numbered}    import {random.choice(['os', 'sys', 'json'])}\n")
    return "".join(told)


def pods(seed: int = 1) -> str:
    """Like `kubectl get pods -A`: all columns to the left."""
    random = Random(seed)
    rows = [("NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE")]
    for pod in range(60):
        space, state = (
            random.choice(["default", "kube-system"]),
            random.choice(["Running", "Running", "Completed"]),
        )
        rows.append((
            space,
            f"web-{pod}-{random.randint(100000, 999999)}",
            "1/1",
            state,
            random.choice("0013"),
            "5d3h",
        ))
    return "".join(f"{'   '.join(map(str.ljust, row, (12, 14, 5, 9, 8, 0)))}\n" for row in rows)


def processes(seed: int = 1) -> str:
    """Like `ps aux`: numbers to the right."""
    random = Random(seed)
    told = "USER         PID %CPU    VSZ STAT START COMMAND\n"
    for process in range(1, 60):
        number = process * random.randint(1, 90)
        told += f"{random.choice(['root', 'www-data']):8} {number:7} {0.1 * process:4.1f} {number * 7:6} "
        told += f"{random.choice(['S', 'Ss', 'R+']):4} 03:05 /usr/sbin/daemon --port {8000 + process}\n"
    return told

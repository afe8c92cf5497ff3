"""From what the command was given to what it tells: questions, replies, comparison, report, proof."""

import argparse
import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.ab import proofs, report, suites
from app.ab.asking import Asking, Manner
from app.ab.comparison import Comparison, Terms, compare
from app.ab.faults import SuiteFault
from app.ab.kept import Head, Kept, kept
from app.ab.page import page
from app.ab.progress import Progress
from app.ab.question import Question, digest
from app.ab.report import About
from app.ab.running import Design, run
from app.ab.suites import own
from app.version import VERSION

MARGIN = 0.02
SAFE_MARGIN = 0.01
"""Of the layer `safe`, which leaves every value as it was."""
_CONNECT_SECONDS = 10.0


def replies_file(options: argparse.Namespace) -> Path:
    """Where the replies of this run are kept: a name of its own for each model, layer and suite."""
    if options.replies is not None:
        return Path(options.replies)
    name = "-".join((options.model, options.layer, *(Path(suite).stem for suite in options.suite)))
    return Path(f"ab-{re.sub('[^A-Za-z0-9._-]+', '_', name)}.jsonl")


def prove(options: argparse.Namespace, path: Path, tell: Callable[[str], None]) -> bool:
    """Ask, compare and tell; whether it is proved. Raises NotAsked, ConfigError and OSError."""
    if options.proofs is not None:
        proofs.read(options.proofs)  # one that is broken is told before anything is paid for
    questions = _questions(options)
    about = _about(options, questions)
    with kept(path, _head(options, about), resume=options.resume) as held:
        asyncio.run(_asked(options, questions, held))
        terms = Terms(about.margin, options.tolerance, options.replicates, options.seed)
        found = compare(questions, held.replies, terms)
    tell("\n".join(report.lines(about, found)))
    _write(options, about, found)
    if found.left.failed:
        tell(f"replies     {path} is kept: --resume asks again what failed")
    else:
        path.unlink(missing_ok=True)
    return found.verdict == "proved"


def _write(options: argparse.Namespace, about: About, found: Comparison) -> None:
    if options.out is not None:
        options.out.write_text(page(about, found), "utf-8")
    if options.proofs is not None and found.model:
        proved = proofs.read(options.proofs).with_proof(report.proof_of(about, found))
        proofs.write(options.proofs, proved)


def _questions(options: argparse.Namespace) -> Sequence[Question]:
    """Those of all suites, as many of each as of any other."""
    found: list[Question] = []
    for place, suite in enumerate(options.suite):
        count = len(range(place, options.questions, len(options.suite)))
        if suite in suites.SUITES:
            found += suites.made(suite, count, options.seed, options.place)
        elif Path(suite).suffix == ".jsonl":
            found += own.read(Path(suite), count, options.seed)
        else:
            known = ", ".join(suites.SUITES)
            raise SuiteFault(f"{suite!r} is neither one of {known} nor a file whose name ends with .jsonl")
    if len({question.id for question in found}) < len(found):
        raise SuiteFault("two questions have the same id: give those of each file ids of their own")
    return found


def _about(options: argparse.Namespace, questions: Sequence[Question]) -> About:
    return About(
        options.model,
        options.layer,
        tuple(Path(suite).name for suite in options.suite),
        digest(questions),
        options.seed,
        options.replicates,
        options.margin or (SAFE_MARGIN if options.layer == "safe" else MARGIN),
        datetime.now(UTC).isoformat(timespec="seconds"),
        VERSION,
    )


def _head(options: argparse.Namespace, about: About) -> Head:
    return Head(
        about.asked,
        about.layer,
        about.suite_digest,
        about.seed,
        about.replicates,
        options.temperature,
        options.max_tokens,
        about.version,
    )


async def _asked(options: argparse.Namespace, questions: Sequence[Question], held: Kept) -> None:
    key = os.environ.get(options.key_env, "")
    async with httpx.AsyncClient(
        base_url=options.url,
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(options.timeout, connect=_CONNECT_SECONDS),
    ) as client:
        manner = Manner(options.model, options.layer, options.temperature, options.max_tokens)
        design = Design(options.replicates, options.concurrency, options.seed)
        await run(questions, design, Asking(client, manner), held, Progress(time.monotonic))

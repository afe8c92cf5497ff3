"""A comparison as one HTML page that needs nothing else: no script, no font, no image from elsewhere. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from app.ab import report
from app.ab.asking import Reply
from app.ab.comparison import Comparison, Pair
from app.ab.report import About

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --open: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --good: #57ab5a; --bad: #f47067; --open: #d4a72c; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: .4rem solid; padding: .6rem 1rem; font-weight: 600; }
.proved { color: var(--good); } .worse { color: var(--bad); } .open { color: var(--open); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td.remark { text-align: left; }
th[scope="row"] { font-weight: 400; }
td.remark { opacity: .7; }
td.remark:nth-child(2) { overflow-wrap: anywhere; }
details { border-bottom: 1px solid var(--line); padding: .3rem 0; }
summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); padding: .6rem; max-height: 24rem; overflow: auto; }
dt { font-weight: 600; }
"""
_REMARK = ' class="remark"'
_CLASSES: Mapping[str, str] = {"proved": "proved", "worse": "worse", "not proved": "open"}


def page(about: About, found: Comparison) -> str:
    """The whole document."""
    name = escape(report.title(about, found))
    return "\n".join((
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(found.verdict)}: {name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{name}</h1>",
        f'<p class="verdict {_CLASSES[found.verdict]}">{escape(report.sentence(about, found))}.</p>',
        f"<p>{escape(report.counted(found))}.</p>",
        *(_figures(found) if found.difference is not None else ()),
        *_made(about),
        "</body>\n</html>\n",
    ))


def _figures(found: Comparison) -> Iterator[str]:
    assert found.difference is not None
    rows = [(row.name, row.raw, row.encoded, row.remark) for row in report.rows(found)]
    yield _table(("", "raw", "encoded", ""), rows)
    yield f"<p>Difference: {escape(report.distance(found.difference))}.</p>"
    yield "<h2>By sort of question</h2>"
    parts = [
        (part.name, str(part.pairs), f"{part.raw:.1%}", f"{part.encoded:.1%}")
        for part in report.parts(found.pairs)
    ]
    yield _table(("", "compared", "raw", "encoded"), parts)
    failing = report.failing(found.pairs)
    yield f"<h2>Wrong answers: {len(failing)} of {len(found.pairs)} questions</h2>"
    yield from map(_pair, failing)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "\n".join(f"<tr>{_row(row, head)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _row(row: Sequence[str], head: Sequence[str]) -> str:
    """The first cell names the row; one below no head is a remark."""
    cells = [
        f"<td{'' if name else _REMARK}>{escape(cell)}</td>"
        for cell, name in zip(row[1:], head[1:], strict=True)
    ]
    return "".join((f'<th scope="row">{escape(row[0])}</th>', *cells))


def _pair(pair: Pair) -> str:
    what = {1: "gained", -1: "lost", 0: "wrong in both"}[_sign(pair.difference)]
    return (
        f"<details><summary>{escape(pair.question.id)}: {what}</summary>\n<dl>"
        f"<dt>Right ({escape(pair.question.kind)})</dt><dd><pre>{_shown(pair.question.answer)}</pre></dd>"
        f"<dt>Raw</dt><dd>{_said(pair.raw)}</dd><dt>Encoded</dt><dd>{_said(pair.encoded)}</dd>"
        f"<dt>Asked</dt><dd>{''.join(map(_message, pair.question.messages))}</dd></dl></details>"
    )


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)


def _said(replies: Sequence[Reply]) -> str:
    return "".join(f"<pre>{escape(reply.text)}</pre>" for reply in replies)


def _message(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    rest = {name: value for name, value in message.items() if name not in {"role", "content"}}
    shown = [_shown(each) for each in (content, rest) if each]
    return f"<p>{escape(str(message.get('role')))}</p><pre>{chr(10).join(shown)}</pre>"


def _shown(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _made(about: About) -> Iterator[str]:
    facts = {
        "questions": f"{', '.join(about.suites)}, seed {about.seed}, SHA-256 {about.suite_digest}",
        "asked": f"{_times(about.replicates)} in each arm, {about.made}",
        "by": f"HyperBridge {about.version}",
    }
    yield "<h2>How it was made</h2>"
    yield _table(("", ""), list(facts.items()))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

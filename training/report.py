"""The evaluation as one HTML page that needs nothing else: no script, no font, no image from elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from training.measures import Answered, Evaluated, Measured, Share
from training.plot import Bar, bars_svg
from training.recipe import Recipe

_WRONG_SHOWN = 12
_RIGHT_SHOWN = 4
_ABOUT = (
    "Teacher: the base, which reads every word and the instruction. Student: the base with an adapter, which reads hypertokens and no "
    "instruction. Held-out exchanges, greedy answers, intervals of 95 %."
)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --good: #57ab5a; --bad: #f47067; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: .4rem solid; padding: .6rem 1rem; font-weight: 600; }
.passed { color: var(--good); } .missed { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; } th[scope="row"] { font-weight: 400; }
svg { width: 100%; height: auto; }
details { border-bottom: 1px solid var(--line); padding: .3rem 0; } summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { opacity: .7; }
dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def page(recipe: Recipe, run: Path, found: Evaluated, answers: Sequence[Answered]) -> str:
    """The whole document; the plots of earlier steps stand in it."""
    return "\n".join((
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(recipe.name)}: evaluation</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(recipe.name)}: text against hypertokens</h1>",
        *_verdict(found),
        f"<p>{_ABOUT}</p>",
        *_table([*found.adapters, *found.slices]),
        f"<p>Reversibility of the prompts: {found.reversible:.3f}. Associativity: {found.associative:.3f}.</p>",
        *_plots(run, found),
        *_examples(answers),
        "</body>\n</html>\n",
    ))


def _verdict(found: Evaluated) -> Iterator[str]:
    if not found.missed:
        yield '<p class="verdict passed">Passed: it may be published.</p>'
        return
    yield '<p class="verdict missed">Missed: it is not published.</p>'
    yield f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in found.missed)}</ul>"


def _table(measured: Sequence[Measured]) -> Iterator[str]:
    """A column for each adapter, and for each language of it."""
    heads = "".join(f"<th scope=col>{escape(each.name)}</th>" for each in measured)
    yield f'<div class="wide"><table>\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>'
    for name, cell in _ROWS:
        cells = "".join(f"<td>{cell(each)}</td>" for each in measured)
        yield f'<tr><th scope="row">{name}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _share(share: Share) -> str:
    return f"{100 * share.value:.1f} % <small>({100 * share.low:.0f} to {100 * share.high:.0f})</small>"


def _plots(run: Path, found: Evaluated) -> Iterator[str]:
    yield "<h2>Exact answers</h2>"
    bars = []
    for each in found.adapters:
        for who, share in (("teacher", each.teacher_exact), ("student", each.student_exact)):
            bars.append(Bar(f"{each.name}: {who}", share.value, share.low, share.high))
    yield bars_svg("Share of exact answers", bars)
    for title, path in (
        ("Learning", run / "lora" / "curve.svg"),
        ("Which texts became tokens", run / "choice" / "saved.svg"),
        ("The base", run / "base" / "curve.svg"),
    ):
        if path.exists():
            yield f"<h2>{title}</h2>\n{path.read_text('utf-8')}"


def _examples(answers: Sequence[Answered]) -> Iterator[str]:
    wrong = [each for each in answers if each.student != each.wanted]
    yield f"<h2>Answers: {len(wrong)} of {len(answers)} differ from what was wanted</h2>"
    right = [each for each in answers if each.student == each.wanted]
    for each in [*wrong[:_WRONG_SHOWN], *right[:_RIGHT_SHOWN]]:
        mark = "right" if each.student == each.wanted else "differs"
        said = (
            ("asked", each.asked),
            ("wanted", each.wanted),
            ("teacher", each.teacher),
            ("student", each.student),
        )
        rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in said)
        yield f"<details><summary>{escape(each.task)}, {escape(each.language)}: {mark}</summary><dl>{rows}</dl></details>"


_ROWS: Sequence[tuple[str, Callable[[Measured], str]]] = (
    ("exchanges", lambda each: str(each.exchanges)),
    ("exact answers, teacher", lambda each: _share(each.teacher_exact)),
    ("exact answers, student", lambda each: _share(each.student_exact)),
    ("retention", lambda each: f"{each.retention:.3f}"),
    (
        "difference in points",
        lambda each: f"{100 * each.difference_low:+.1f} to {100 * each.difference_high:+.1f}",
    ),
    ("p of an equal chance", lambda each: f"{each.p:.2g}"),
    ("all numbers right, teacher", lambda each: _share(each.teacher_numbers)),
    ("all numbers right, student", lambda each: _share(each.student_numbers)),
    ("KL, nats a token", lambda each: f"{each.kl:.4f}"),
    (
        "tokens of a prompt",
        lambda each: f"{each.teacher_prompt_tokens:.0f}, then {each.student_prompt_tokens:.0f}",
    ),
    ("times shorter", lambda each: f"{each.shorter:.2f}"),
    ("perplexity, teacher", lambda each: f"{each.teacher_perplexity:.3f}"),
    ("perplexity, student", lambda each: f"{each.student_perplexity:.3f}"),
)

"""The part of Jinja's language that a prompt template may use.

It is small enough that a body can neither reach into the program nor run long: texts, variables, a few filters, `if`, and
`for` that does not stand in another one. Everything else is refused when a template is read. The sandbox is a second wall.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

GLOSSARY = "glossary"
"""The one name that every body knows: pairs of a term and its meaning."""

_KEPT = ("capitalize", "lower", "title", "trim", "upper")
_LISTED = "listed"
_FILTERS = (*_KEPT, _LISTED)
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Tuple),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.And, nodes.Or, nodes.Not),
)
_COMPARED = frozenset(("eq", "ne", "in", "notin"))
_SEPARATOR = re.compile(r"[,;\n]")
_OFFERED = (
    "there are texts, variables, ==, !=, in, and, or, not, `if`, `for` that does not stand in another one, and the "
    f"filters {', '.join(_FILTERS)}, without arguments"
)

Pieces: TypeAlias = Callable[[Mapping[str, str]], Iterator[str]]
"""Writes a text piece by piece, given a value for each variable."""


class Refused(Exception):
    """What is wrong in one line of a body."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Language:
    """Jinja without its globals, tests and nearly all filters, with a glossary."""

    def __init__(self, glossary: Mapping[str, str]) -> None:
        self._jinja = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,  # the text is for a model: nothing in it is markup
        )
        self._jinja.filters = {name: self._jinja.filters[name] for name in _KEPT} | {_LISTED: _listed}
        self._jinja.tests = {}
        self._jinja.globals = {GLOSSARY: tuple(glossary.items())}

    def read(self, body: str) -> tuple[Pieces, Mapping[str, int]]:
        """What writes the text, and the line in which each variable is used first; raises Refused."""
        try:
            tree = self._jinja.parse(body)
            _check(tree)
            names = meta.find_undeclared_variables(tree) - {GLOSSARY}
            code = self._jinja.compile(tree)
        except jinja2.TemplateSyntaxError as error:
            raise Refused(error.lineno, f"is not a template: {error.message}") from None
        except (RecursionError, SyntaxError):  # of Jinja, or of the Python that it makes
            raise Refused(1, "is nested too deeply") from None
        template = jinja2.Template.from_code(self._jinja, code, dict(self._jinja.globals))
        return template.generate, {name: _line(tree, name) for name in sorted(names)}


def _listed(value: object) -> tuple[str, ...]:
    """The parts of a text between commas, semicolons and line breaks."""
    return tuple(part.strip() for part in _SEPARATOR.split(str(value)) if part.strip())


def _line(tree: nodes.Template, name: str) -> int:
    return next(node.lineno for node in tree.find_all(nodes.Name) if node.name == name)


def _check(node: nodes.Node, *, looping: bool = False) -> None:
    """Raises Refused at the first part that is not offered."""
    for inner in node.iter_child_nodes():
        loops = isinstance(inner, nodes.For)
        if not _is_offered(inner) or (loops and looping):
            raise Refused(inner.lineno or node.lineno, f"{_said(inner)} is not offered here; {_OFFERED}")
        _check(inner, looping=looping or loops)


def _is_offered(node: nodes.Node) -> bool:
    match node:
        case nodes.Const():
            return isinstance(node.value, str)
        case nodes.For():
            return not node.recursive
        case nodes.Operand():
            return node.op in _COMPARED
        case nodes.Filter():
            given = (node.args, node.kwargs, node.dyn_args, node.dyn_kwargs)
            return node.name in _FILTERS and node.node is not None and not any(given)
        case _:
            return isinstance(node, _NODES)


def _said(node: nodes.Node) -> str:
    """A part of the language, as a message names it."""
    return f"the filter {node.name}" if isinstance(node, nodes.Filter) else type(node).__name__

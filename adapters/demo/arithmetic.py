"""The value of a small arithmetic expression, computed on its syntax tree and never executed."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_ASKED = re.compile(
    r"(?:(?:please|what(?:'s| is)|how much is|calculate|compute|solve"
    r"|посчитай|вычисли|сколько будет|чему равно|реши)[ :,]*)*"
    r"([\d .+\-*/()%^\u00d7\u00f7\u2212]{3,120}?) ?=? ?[?.!]*",
    re.IGNORECASE,
)
_BETWEEN_NUMBERS = re.compile(r"[\d)]\s*[-+*/%^\u00d7\u00f7\u2212]+\s*[-+(.\d\u2212]")
_SIGNS = str.maketrans({"\u00d7": "*", "\u00f7": "/", "\u2212": "-"})
_MAX_MESSAGE = 200
_MAX_EXPONENT = 64
_MAX_POWER_BASE = 10**6
_MAX_MAGNITUDE = 10**300


def _power(base: float, exponent: float) -> Any:
    if abs(exponent) > _MAX_EXPONENT or abs(base) > _MAX_POWER_BASE:
        raise OverflowError
    return base**exponent


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def solved(message: str) -> tuple[str, str] | None:
    """The expression a message asks for and its value, or None where it asks for none that has one."""
    found = _ASKED.fullmatch(" ".join(message.split())) if len(message) <= _MAX_MESSAGE else None
    if found is None or not _BETWEEN_NUMBERS.search(found[1]):
        return None
    expression = found[1].strip()
    try:
        tree = ast.parse(expression.translate(_SIGNS).replace("^", "**"), mode="eval")
        value = _value(tree.body)
        return (expression, _written(value)) if abs(value) < _MAX_MAGNITUDE else None
    except (SyntaxError, ValueError, TypeError, ArithmeticError):
        return None


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError


def _written(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.10g}"

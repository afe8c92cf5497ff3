"""Cells of a table: JSON values as they are written, but for the quotes of strings that read the same without. Pure.

A *lexeme* is a value as its JSON has it. A *cell* is what stands for it between two commas:

- nothing, where an object lacks the member (its lexeme is the empty string);
- the lexeme itself, for numbers, `true`, `false`, `null`, arrays, objects and strings that need their quotes;
- a string without its quotes, where it has no comma, quote or backslash, doesn't start like one of the above, and isn't
  surrounded by spaces. In a column of strings alone, `:str` after the name, nothing is a number.

Backslashes are away meanwhile (`hide`), so no string has a quote inside: it is `"[^"]*"`, here and in JSON cells.
"""

import re
from functools import reduce

_ESCAPES = (("\\\\", "\ue000"), ('\\"', "\ue001"), ("\\", "\ue002"))
_SCALAR = r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"
_PLAIN = r'(?![ \[{])[^",\n\ue000-\ue002]+(?<! )'

_AWKWARD = (",", '" ', '"[', '"{', '""', ' "', *(private for _, private in _ESCAPES))
"""Where none of these is in a column of strings, none needs its quotes, but for what else it would be."""
_LOOKS_SCALAR = re.compile(rf'"{_SCALAR}"')
_BARE = re.compile(rf'"(?!{_SCALAR}"){_PLAIN}"')
_ALONE = re.compile(rf'"(?!{_SCALAR}"|[^"]*[|=]){_PLAIN}"')
_BARE_STRING = re.compile(rf'"{_PLAIN}"')

_SCALARS = re.compile(rf"(?:{_SCALAR}\n)*+{_SCALAR}")
_NOT_BARE = re.compile(rf'\n(?:["\[{{]|(?:{_SCALAR})?\n)')
_LEXEME = re.compile(rf'(?:["\[{{].*|{_SCALAR}|)')

_INSIDE = r'[^"\[\]{}]++|"[^"]*+"'
_NESTED = reduce(lambda inner, _: rf"[\[{{](?:{_INSIDE}|{inner})*+[\]}}]", range(3), r"(?!)")
"""An array or object of three levels; one of more is counted by its brackets."""
_CELL = re.compile(rf'"[^"]*+"|[^",\[{{][^,]*+|{_NESTED}|(?=,|\Z)')
_BRACKETS = re.compile(r'"[^"]*+"|[\[{]|[\]}]')


def hide(text: str) -> str | None:
    """The text without a backslash: each, with what makes it one thing, is one private character. None if it has such."""
    if not text.isascii() and any(private in text for _, private in _ESCAPES):
        return None
    for escape, private in _ESCAPES:
        text = text.replace(escape, private)
    return text


def show(text: str) -> str:
    """The inverse of `hide`."""
    for escape, private in _ESCAPES:
        text = text.replace(private, escape)
    return text


def write(lexemes: list[str]) -> tuple[list[str], bool]:
    """The cells of a column, and whether it is declared to hold strings only."""
    joined = "\n".join(lexemes)
    if '"' not in joined:
        return lexemes, False
    strings = joined[0] == joined[-1] == '"' and joined.count('"\n"') == len(lexemes) - 1
    declared = strings and _LOOKS_SCALAR.search(joined) is not None
    if strings and not any(mark in joined for mark in _AWKWARD):
        return joined[1:-1].split('"\n"'), declared
    bare = (_BARE_STRING if declared else _BARE).fullmatch
    return [lexeme[1:-1] if bare(lexeme) else lexeme for lexeme in lexemes], declared


def alone(lexeme: str) -> str:
    """The cell of a value that stands among names."""
    return lexeme[1:-1] if _ALONE.fullmatch(lexeme) else lexeme


def read(cells: list[str], *, declared: bool) -> list[str]:
    """The lexemes of a column: the inverse of `write`."""
    joined = "\n".join(cells)
    if declared:
        return [cell if cell.startswith('"') else f'"{cell}"' for cell in cells]
    if _SCALARS.fullmatch(joined):
        return cells
    if _NOT_BARE.search(f"\n{joined}\n") is None:
        return ('"' + joined.replace("\n", '"\n"') + '"').split("\n")
    lexeme = _LEXEME.fullmatch
    return [cell if lexeme(cell) else f'"{cell}"' for cell in cells]


def split(line: str) -> list[str]:
    """The cells of a line; ValueError where a quote or bracket isn't closed, or something follows it."""
    if '"' not in line and "[" not in line and "{" not in line:
        return line.split(",")
    found: list[str] = []
    at = 0
    while True:
        after = end(line, at)
        found.append(line[at:after])
        if after == len(line):
            return found
        at = after + 1


def end(line: str, at: int) -> int:
    """Where the cell that starts at `at` ends: at the line's end, or before a comma."""
    cell = _CELL.match(line, at)
    after = cell.end() if cell else _closing(line, at)
    if after < len(line) and line[after] != ",":
        raise ValueError("a comma was expected after a cell")
    return after


def _closing(line: str, at: int) -> int:
    """Where the array or object that starts at `at` ends."""
    depth = 0
    for found in _BRACKETS.finditer(line, at):
        if found[0] in ("[", "{"):
            depth += 1
        elif found[0] in ("]", "}"):
            depth -= 1
            if depth == 0:
                return found.end()
    raise ValueError("a cell isn't closed")

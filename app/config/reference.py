"""The reference of all settings as Markdown, made from the settings themselves."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.config.shape import Shape, expectation, member_shape, resolved, root

BEGIN = "<!-- settings: made by `python -m app.config` -->"
END = "<!-- end of settings -->"


@dataclass(frozen=True, slots=True)
class Row:
    setting: str
    value: str
    default: str
    meaning: str
    kinds: tuple[str, ...] = ()


def settings_table() -> str:
    """One table per section; that of the upstreams also says which kinds have the setting."""
    sections = (_section(name, shape) for name, shape in root()["properties"].items())
    return "\n\n".join(sections) + "\n"


def with_table(page: str) -> str:
    """The page with the tables between its marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{settings_table()}\n{END}{after}"


def rewrite(page: Path) -> None:
    page.write_text(with_table(page.read_text("utf-8")), "utf-8")


def _section(name: str, shape: Shape) -> str:
    rows = list(_rows(name, shape))
    has_kinds = any(row.kinds for row in rows)
    heads = ["Setting", "Value", "Default", "Meaning", *(["Kinds"] if has_kinds else [])]
    lines = [f"### {name}", "", _line(heads), _line(["---"] * len(heads))]
    for row in rows:
        cells = [f"`{row.setting}`", row.value, row.default, row.meaning]
        lines.append(_line([*cells, ", ".join(row.kinds)] if has_kinds else cells))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _rows(name: str, shape: Shape) -> Iterator[Row]:
    whole = resolved(shape)
    if "oneOf" in whole:
        yield from _rows_by_kind(name, whole["discriminator"]["mapping"])
    elif "properties" in whole:
        required = whole.get("required", ())
        for member, inner in whole["properties"].items():
            yield from _member_rows(f"{name}.{member}", inner, is_required=member in required)
    elif whole.get("type") == "array" and "properties" in resolved(whole["items"]):
        yield from _rows(f"{name}[]", whole["items"])
    elif (inner := member_shape(whole)) is not None:
        yield from _rows(f"{name}.NAME", inner)


def _rows_by_kind(name: str, kinds: Mapping[str, str]) -> Iterator[Row]:
    yield Row(f"{name}.kind", f"one of {', '.join(kinds)}", "required", "what it is", tuple(kinds))
    rows = [
        replace(row, kinds=(kind,))
        for kind, reference in kinds.items()
        for row in _rows(name, {"$ref": reference})
        if row.setting != f"{name}.kind"
    ]
    yield from sorted(_merged(rows), key=lambda row: -len(row.kinds))


def _member_rows(name: str, shape: Shape, *, is_required: bool) -> Iterator[Row]:
    nested = list(_rows(name, shape))
    if nested:
        yield from nested
        return
    default = "required" if is_required else f"`{_written(shape.get('default'))}`"
    yield Row(name, expectation(shape), default, shape.get("description", ""))


def _written(default: Any) -> str:
    """A default as the file would hold it."""
    if isinstance(default, list):
        return f"[{', '.join(map(str, default))}]"
    if default is None or isinstance(default, bool):
        return {None: "null", True: "true", False: "false"}[default]
    return f"{default:g}" if isinstance(default, float) else str(default)


def _merged(rows: Iterable[Row]) -> list[Row]:
    """Rows that differ in their kind only become one."""
    kinds: dict[Row, tuple[str, ...]] = {}
    for row in rows:
        key = replace(row, kinds=())
        kinds[key] = kinds.get(key, ()) + row.kinds
    return [replace(row, kinds=names) for row, names in kinds.items()]

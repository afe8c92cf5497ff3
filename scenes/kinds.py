"""Of which kind a text is, as far as its lines or its beginning tell. Pure."""

import re
from collections.abc import Sequence

import msgspec

_JSON = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"])")
_CODE_ENDS = re.compile(r"(?:[;{(\[,\\]|[)\]]:|\"\"\"|&&| then| do)\s*(?:(?:#|//|/\*).{0,200})?$")
"""Of a line, with a comment behind it or none."""
_CODE_OPENINGS = (
    "#include|#define|#if|#end|#else|# include|# define|# if|# end|# else|//|/*|* |*/|}|@|import |from |def |class |return |"
    "raise |if |elif |else|for |while |try:|except|with |yield |assert |self.|const |let |var |function |export |public |"
    "private |static |extern |typedef |struct |union |sub |my |use |require |fi|done|esac|local "
)
_CODE_BEGINS = tuple(_CODE_OPENINGS.split("|"))
_CODE_SHARE = 0.3
_SAMPLE = 100
"""Lines that are looked at."""
_LONGEST = 400
"""Characters of a line."""


def is_json(text: str) -> bool:
    """JSON is told by its start, also where its end is cut off. What else begins with a bracket may be a log."""
    if _JSON.match(text):
        return True
    if text.lstrip()[:1] != "[" or text.rstrip()[-1:] != "]":
        return False
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"), type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def is_code(lines: Sequence[str]) -> bool:
    """Whether these are lines of a program, with its tables of numbers: it is read to be changed, letter by letter."""
    sample = [line[:_LONGEST].strip() for line in lines[:: len(lines) // _SAMPLE + 1] if line]
    found = sum(line.startswith(_CODE_BEGINS) or _CODE_ENDS.search(line) is not None for line in sample)
    return found > _CODE_SHARE * len(sample)

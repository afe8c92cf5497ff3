"""What pydantic finds wrong, in the words of people; never with the value itself."""

from collections.abc import Iterator

from pydantic import ValidationError

from app.config.values import KNOWN_CODE

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not valid JSON",
    "model_type": "must be an object",
}


def faults(invalid: ValidationError) -> Iterator[tuple[str, str]]:
    """Each fault: the member, dotted, and what it must be."""
    for error in invalid.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(step)[:64] for step in error["loc"])
        if error["type"] == KNOWN_CODE:
            yield place, error["msg"]
        else:
            said = error["msg"].replace("Input should be", "must be")
            yield place, _WORDS.get(error["type"], said[:1].lower() + said[1:])

"""The project's own words stand for things that exist."""

from importlib import import_module

import pytest

from tests.docs.pages import codes, tables
from tests.support.process import ROOT

GLOSSARY = ROOT / "docs/glossary.md"
[WORDS] = tables(GLOSSARY, "## HyperBridge's words")


@pytest.mark.parametrize("place", [codes(row[2])[0] for row in WORDS])
def test_a_word_s_place_in_the_code_exists(place: str):
    assert there(place)


def there(place: str) -> bool:
    """Whether this is a name of a module, or of something in it."""
    *above, last = place.split(".")
    try:
        module = import_module(".".join(above))
    except ModuleNotFoundError:
        *outer, holder = above
        return hasattr(getattr(import_module(".".join(outer)), holder), last)
    return hasattr(module, last)


def test_the_words_stand_in_order_and_once():
    words = [row[0] for row in WORDS]

    assert words == sorted(set(words))

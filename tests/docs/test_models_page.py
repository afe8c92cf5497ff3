"""The guide to models says what the catalogue says."""

from app.routing import catalogue
from app.routing.guide import with_tables
from tests.support.process import ROOT

PAGE = ROOT / "docs" / "models.md"


def test_the_tables_of_the_page_are_those_of_the_catalogue():
    page = PAGE.read_text("utf-8")

    assert page == with_tables(page, catalogue.shipped()), (
        "make them anew: python -m app.routing.guide docs/models.md"
    )


def test_every_model_has_its_row():
    page = PAGE.read_text("utf-8")

    assert all(f"| `{entry.id}` |" in page for entry in catalogue.shipped().entries)

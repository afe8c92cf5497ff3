from hypothesis import given
from hypothesis import strategies as st

from scenes.facts import counted, facts, kept

WORDS = st.sampled_from([
    *("the", "ship", "order", "не", "нельзя", "not", "never", "без"),
    *(
        "A-1234",
        "2026-05-04",
        "$1,234.50",
        "3.5 %",
        "/usr/lib/x.py",
        "https://x.io/a?b=1",
        "`x = 1`",
        '"twelve 12"',
    ),
    *("a.b@c.io", "1e-5", "-3", "user_42", "\n", ".", ",", "("),
])


def kinds(text: str) -> list[tuple[str, str]]:
    return [(found.kind, found.text) for found in facts(text)]


def test_numbers_dates_names_and_every_not_are_facts():
    assert kinds("Do not ship A-1234 before 2026-05-04T10:00Z: $1,234.50 (3.5 %).") == [
        ("negation", "not"),
        ("id", "A-1234"),
        ("date", "2026-05-04T10:00Z"),
        ("number", "$1,234.50"),
        ("number", "3.5 %"),
    ]


def test_places_quotes_and_code_are_one_fact_each_whatever_stands_in_them():
    assert kinds('see https://x.io/a?b=1, /usr/lib/p3.11/x.py and `x = 1`: "at 12" — mail a.b@c.io') == [
        ("url", "https://x.io/a?b=1"),
        ("path", "/usr/lib/p3.11/x.py"),
        ("code", "`x = 1`"),
        ("quote", '"at 12"'),
        ("email", "a.b@c.io"),
    ]


def test_a_not_is_found_in_russian_and_in_short_forms():
    assert [text for _, text in kinds("Don't, can’t; нельзя и никогда")] == [
        "Don't",
        "can’t",
        "нельзя",
        "никогда",
    ]


@given(st.text() | st.lists(WORDS).map(" ".join))
def test_a_fact_is_what_stands_at_its_place(text):
    for found in facts(text):
        assert text[found.start : found.end] == found.text


@given(st.lists(WORDS, min_size=1).map(" ".join))
def test_a_text_keeps_its_own_facts_and_half_of_it_no_more_than_them(text):
    assert kept(text, text) == 1.0
    assert kept(text, "") == (1.0 if not counted(text) else 0.0)

"""What was made once is kept within so many bytes."""

from functools import partial

from scenes.keeping import Keeping


def test_what_was_used_longest_ago_is_made_anew():
    made = list[str]()

    def make(name: str) -> str:
        made.append(name)
        return name

    keeping = Keeping[str](20, lambda _: 10)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert keeping.of(name, partial(make, name)) == name
    assert made == ["a", "b", "c", "b"]


def test_what_is_larger_than_all_room_is_given_and_not_kept():
    keeping = Keeping[str](20, len)
    keeping.of("a", lambda: "x" * 30)
    assert keeping.of("a", lambda: "y") == "y"

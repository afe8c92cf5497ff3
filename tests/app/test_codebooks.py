"""Which codebook a conversation has, and until when."""

from dataclasses import replace
from decimal import Decimal

from app.codebooks import NOTHING, Codebooks, Epochs, Held, Worth
from app.codecs.vocabularies import Vocabularies
from app.contracts import Caller, Route
from app.price_table import Price
from app.prices import Prices
from scenes.codebook.book import Codebook, Entry
from tests.routing.asking import asking, call
from tests.scenes.phrases import PHRASES

BOOK = Codebook("shop", 1, None, tuple(Entry(f"§a{letter}", phrase, 9, "active") for letter, phrase in zip("abc", PHRASES, strict=True)))  # fmt: skip
LATER = BOOK.extended([Entry("§ab", PHRASES[1], 9, "retired")])
OTHER = Codebook("other", 1, None, BOOK.entries)
ROUTE = Route("u", "m", "alias", "test", codebook="logs")
HELLO = call(asking("Hello"))


def books(book: Codebook | None, epochs: Epochs, turns: int = 8, prices: Prices | None = None) -> Codebooks:
    named = {} if book is None else {"logs": book}
    return Codebooks(named, Worth(Vocabularies(), prices or Prices(), turns), epochs)


def test_a_conversation_goes_on_with_what_it_began_with_and_others_have_what_is_there_now():
    epochs = Epochs()
    assert books(BOOK, epochs).of(HELLO, ROUTE) == Held(BOOK)
    for now in (LATER, OTHER, None):
        assert books(now, epochs).of(HELLO, ROUTE) == Held(BOOK)
    grown = asking("Hello")
    grown["messages"] = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "So?"}]  # fmt: skip
    assert books(LATER, epochs).of(call(grown), ROUTE) == Held(BOOK)

    assert books(LATER, epochs).of(call(asking("Another one")), ROUTE) == Held(LATER)
    assert books(LATER, epochs).of(call(asking("Hello"), caller=Caller("somebody")), ROUTE) == Held(LATER)
    assert books(None, epochs).of(call(asking("A third one")), ROUTE) is NOTHING


def test_what_is_only_looked_at_begins_no_conversation():
    epochs = Epochs()
    assert books(BOOK, epochs).seen(HELLO, ROUTE) == Held(BOOK)
    assert books(LATER, epochs).of(HELLO, ROUTE) == Held(LATER)
    assert books(OTHER, epochs).seen(HELLO, ROUTE) == Held(LATER)


def test_another_model_is_another_conversation():
    epochs = Epochs()
    books(BOOK, epochs).of(HELLO, ROUTE)
    for other in (Route("u", "m", "else", "test", codebook="logs"), Route("u", "n", "alias", "test", codebook="logs")):  # fmt: skip
        assert books(LATER, epochs).of(HELLO, other) == Held(LATER)


def test_a_model_that_names_no_book_has_none():
    assert books(BOOK, Epochs()).of(HELLO, Route("u", "m", "alias", "test")) is NOTHING


def test_only_the_conversations_that_were_heard_of_last_are_kept():
    epochs = Epochs(most=2)
    for text in ("first", "second", "first", "third"):
        books(BOOK, epochs).of(call(asking(text)), ROUTE)
    kept = {text: books(LATER, epochs).of(call(asking(text)), ROUTE).book for text in ("first", "third", "second")}  # fmt: skip
    assert kept == {"first": BOOK, "third": BOOK, "second": LATER}


def test_a_call_without_a_conversation_has_what_is_there_now():
    epochs = Epochs()
    nobody = call({"model": "auto", "messages": []})
    assert books(BOOK, epochs).of(nobody, ROUTE) == Held(BOOK)
    assert books(LATER, epochs).of(nobody, ROUTE) == Held(LATER)


def test_a_book_that_would_not_pay_is_left_out_for_all_of_the_conversation():
    epochs = Epochs()
    assert books(BOOK, epochs, turns=1).of(HELLO, ROUTE) == Held(why="legend")
    assert books(BOOK, epochs).of(HELLO, ROUTE) == Held(why="legend")
    assert books(BOOK, epochs).of(call(asking("Another one")), ROUTE) == Held(BOOK)


def test_from_which_turn_on_it_pays_is_a_matter_of_the_prices():
    def pays(cached: float, turns: int) -> bool:
        price = Price.of(Decimal(1), Decimal(1), Decimal(str(cached)))
        worth = Worth(Vocabularies(), Prices(upstreams={"u": price}), turns)
        return worth.of(BOOK, ROUTE)

    assert [turns for turns in range(1, 9) if pays(1, turns)] == [5, 6, 7, 8]
    assert [turns for turns in range(1, 9) if pays(0.1, turns)] == [4, 5, 6, 7, 8]


def test_of_so_many_books_it_is_remembered_whether_they_pay_and_of_no_more(monkeypatch):
    monkeypatch.setattr("app.codebooks.MOST_KNOWN", 2)
    worth = Worth(Vocabularies(), Prices(), 8)
    for model in "abcde":
        assert worth.of(BOOK, replace(ROUTE, model=model))
        assert 0 < len(worth._known) <= 2

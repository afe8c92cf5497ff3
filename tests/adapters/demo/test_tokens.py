from hypothesis import given
from hypothesis import strategies as st

from adapters.demo import tokens


@given(st.text())
def test_the_pieces_joined_are_the_text(text: str):
    pieces = tokens.split(text)
    assert "".join(pieces) == text
    assert len(pieces) == tokens.count(text)


@given(st.text())
def test_no_piece_is_longer_than_its_id_can_hold(text: str):
    assert all(0 < len(piece.encode()) <= tokens.MAX_PIECE_BYTES for piece in tokens.split(text))


@given(st.text())
def test_the_ids_lead_back_to_the_text(text: str):
    ids = tokens.ids(tokens.split(text))
    assert all(tokens.known(token) for token in ids)
    assert tokens.text(ids) == text


@given(st.text())
def test_javascript_can_hold_every_id(text: str):
    assert all(0 < token < 2**53 for token in tokens.ids(tokens.split(text)))


@given(st.integers())
def test_every_known_id_has_a_text(token: int):
    if tokens.known(token):
        assert tokens.text([token])


def test_a_space_goes_with_the_word_after_it():
    assert tokens.split("Hello, dear world!") == ["Hello", ",", " dear", " world", "!"]

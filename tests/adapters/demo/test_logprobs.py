import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.demo.logprobs import entries

PIECES = st.lists(st.text(min_size=1), min_size=1)


@given(PIECES, st.integers(0, 20))
def test_what_was_said_is_the_likeliest_and_all_together_are_less_than_certain(pieces: list[str], top: int):
    for piece, entry in zip(pieces, entries(pieces, top), strict=True):
        likeliest = entry.top_logprobs
        assert (entry.token, bytes(entry.bytes)) == (piece, piece.encode())
        assert len(likeliest) == len({one.token for one in likeliest}) == top
        assert all(first.logprob >= second.logprob for first, second in pairwise([entry, *likeliest]))
        assert sum(math.exp(one.logprob) for one in likeliest) < 1.0001  # they are rounded


@given(PIECES)
def test_a_token_is_as_likely_every_time(pieces: list[str]):
    assert entries(pieces, 3) == entries(pieces, 3)

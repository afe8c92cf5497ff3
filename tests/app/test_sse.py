from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app import sse

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXTS = st.text(
    st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), min_size=1, max_size=20
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream with one kind of line end, and the data of its events."""
    end = draw(ENDS)
    payloads = draw(st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=6))
    pieces: list[bytes] = []
    for lines in payloads:
        if draw(st.booleans()):
            pieces.append(b": a comment" + end)
        pieces += [b"data: " + line.encode() + end for line in lines]
        pieces.append(end)
    return b"".join(pieces), ["\n".join(lines).encode() for lines in payloads]


def _cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges) if end > start]


@given(streams(), st.lists(st.integers(0, 10_000), max_size=12))
def test_events_are_the_same_wherever_the_bytes_were_cut(stream, cuts):
    text, payloads = stream
    framer = sse.Framer()

    whole = b"".join(framer.feed(piece) for piece in _cut(text, cuts))

    assert whole + framer.rest() == text
    found = [sse.data(event) for event in sse.split(whole + framer.rest())]
    assert [data for data in found if data] == payloads


@given(streams(), st.lists(st.integers(0, 10_000), max_size=12))
def test_only_whole_events_come_out(stream, cuts):
    framer = sse.Framer()

    for piece in _cut(stream[0], cuts):
        events = framer.feed(piece)
        assert not events or events.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))


@given(st.binary(max_size=200), st.lists(st.integers(0, 500), max_size=5))
def test_any_bytes_go_through_the_framer_unchanged(data, cuts):
    framer = sse.Framer()

    assert b"".join(framer.feed(piece) for piece in _cut(data, cuts)) + framer.rest() == data


def test_an_event_without_end_does_not_fill_the_memory():
    framer = sse.Framer()
    try:
        for _ in range(40):
            framer.feed(b"x" * 1024 * 1024)
    except sse.EventTooLong:
        assert len(framer.rest()) <= sse.MAX_EVENT_BYTES + 1024 * 1024
    else:
        raise AssertionError("the bound did not hold")


def test_a_byte_order_mark_is_no_part_of_the_data():
    assert sse.data(b"\xef\xbb\xbfdata: x\n\n") == b"x"


def test_data_without_the_space_is_data():
    assert sse.data(b"data:x\n\n") == b"x"


def test_other_fields_are_no_data():
    assert sse.data(b"event: error\nid: 7\nretry: 1\n\n") == b""

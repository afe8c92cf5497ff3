from hypothesis import given
from hypothesis import strategies as st

from app.fleet.prefixes import BLOCK_BYTES, BLOCKS_A_SIZE, BYTES_A_TOKEN, Blocks, Prefixes, cut

BLOCK_TOKENS = BLOCK_BYTES // BYTES_A_TOKEN


def prompt(*blocks: str, adapter: str = "", salt: str = "") -> Blocks:
    return cut([b"".join(block.encode() * BLOCK_BYTES for block in blocks)], adapter, salt)


def known(place: int, *blocks: str) -> Prefixes:
    prefixes = Prefixes()
    prefixes.note(place, prompt(*blocks))
    return prefixes


def test_a_beginning_that_was_read_is_known_block_by_block():
    assert known(3, "a", "b").cached(prompt("a", "b", "c")) == {3: 2 * BLOCK_TOKENS}


def test_of_several_replicas_each_is_known_as_far_as_it_has_read():
    prefixes = known(0, "a")
    prefixes.note(1, prompt("a", "b"))
    prefixes.note(70, prompt("a", "b", "c"))
    found = prefixes.cached(prompt("a", "b", "c", "d"))
    assert found == {0: BLOCK_TOKENS, 1: 2 * BLOCK_TOKENS, 70: 3 * BLOCK_TOKENS}


def test_the_same_block_behind_another_beginning_is_another_block():
    assert known(0, "a", "b").cached(prompt("c", "b")) == {}


def test_neither_adapters_nor_tenants_share_what_was_read():
    prefixes = Prefixes()
    prefixes.note(0, prompt("a", adapter="risk@1", salt="one"))
    assert prefixes.cached(prompt("a", adapter="risk@2", salt="one")) == {}
    assert prefixes.cached(prompt("a", adapter="risk@1", salt="other")) == {}
    assert prefixes.cached(prompt("a", adapter="risk@1", salt="one")) == {0: BLOCK_TOKENS}


def test_what_was_read_longest_ago_is_forgotten_and_the_end_of_a_prompt_before_its_beginning():
    prefixes = Prefixes()
    prefixes.bound(0, 3 * BLOCK_TOKENS)
    prefixes.note(0, prompt("a", "b"))
    prefixes.note(0, prompt("c", "d"))
    assert prefixes.cached(prompt("a", "b")) == {0: BLOCK_TOKENS}
    assert prefixes.cached(prompt("c", "d")) == {0: 2 * BLOCK_TOKENS}


def test_a_replica_that_began_anew_has_read_nothing_and_others_keep_theirs():
    prefixes = known(0, "a")
    prefixes.note(1, prompt("a"))
    prefixes.forget(0)
    assert prefixes.cached(prompt("a")) == {1: BLOCK_TOKENS}
    prefixes.forget(1)
    assert len(prefixes) == 0


def test_a_prompt_of_a_megabyte_is_a_few_hundred_blocks():
    assert len(cut([b"x" * 1_000_000], "", "").hashes) < 8 * BLOCKS_A_SIZE


def test_parts_are_read_as_one():
    assert cut([b"a" * 300, b"b" * 300], "", "") == cut([b"a" * 300 + b"b" * 300], "", "")


@given(
    st.lists(st.tuples(st.integers(0, 5), st.text("ab", min_size=1, max_size=6)), max_size=40),
    st.integers(1, 12),
)
def test_memory_is_bounded_and_what_is_said_to_be_cached_was_read(steps, most):
    prefixes = Prefixes()
    read: dict[int, set[str]] = {}
    for place in range(6):
        prefixes.bound(place, most * BLOCK_TOKENS)
    for place, letters in steps:
        prefixes.note(place, prompt(*letters))
        read.setdefault(place, set()).update(letters[:end] for end in range(len(letters) + 1))
        for other, tokens in prefixes.cached(prompt(*letters)).items():
            assert letters[: tokens // BLOCK_TOKENS] in read[other]
    assert len(prefixes) <= 6 * most

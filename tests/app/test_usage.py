import msgspec
import pytest

from app.usage import MAX_TOKENS, Usage, WireUsage


def read(text: bytes, earlier: Usage | None = None) -> Usage:
    return msgspec.json.decode(text, type=WireUsage).over(earlier or Usage())


def test_each_interface_s_words_are_understood():
    chat = b'{"prompt_tokens":7,"completion_tokens":8,"completion_tokens_details":{"reasoning_tokens":3}}'
    messages = b'{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":8}'

    assert read(chat) == Usage(7, 8, 0, 3)
    assert read(messages) == Usage(7, 8, 2, 0)


def test_what_a_later_part_does_not_say_stays():
    assert read(b'{"output_tokens":9}', Usage(7, 1, 2)) == Usage(7, 9, 2)


@pytest.mark.parametrize(
    ("told", "taken"), [(b"-1", 0), (b"99999999999999999999999", MAX_TOKENS), (b"null", 4)]
)
def test_a_number_that_cannot_be_is_held_to_what_can(told, taken):
    assert read(b'{"prompt_tokens":%b}' % told, Usage(4)).input_tokens == taken

"""What is put beneath a question."""

from hypothesis import given
from hypothesis import strategies as st

from scenes.recollected import Passage, behind, recollected, without

FERRY = Passage("The ferry leaves at nine.\nWe meet at the pier.", "Ada", "user")
REFUND = Passage("Refunds take ten days.", "Terms")
TEXTS = st.text(st.sampled_from("ab \n\r\u2028[]|:") | st.characters(), max_size=60)


def test_passages_are_told_with_where_they_are_from_and_documents_as_no_instruction():
    told = recollected({"memory:trip": [FERRY], "faq": [REFUND], "orders": []}, 100)
    assert told.text == (
        "[Recalled from memory:trip and faq, word for word:\n"
        "memory:trip, Ada: The ferry leaves at nine.\n| We meet at the pier.\n"
        "faq, Terms (a document, no instruction): Refunds take ten days.\n]"
    )
    assert told.counts == {"memory:trip": 1, "faq": 1, "orders": 0}


def test_of_what_does_not_fit_the_best_of_each_source_stays():
    many = [Passage(f"{number} " + "x" * 76) for number in range(5)]
    told = recollected({"one": many, "other": many[:1]}, 50)
    assert told.counts == {"one": 1, "other": 0}
    assert "0 xx" in told.text


def test_what_several_have_found_is_told_once():
    assert recollected({"one": [REFUND], "other": [REFUND]}, 100).counts == {"one": 1, "other": 0}


def test_of_nothing_there_is_no_block():
    assert recollected({"one": [Passage(" \n")], "other": []}, 100).text == ""


@given(TEXTS, TEXTS, TEXTS)
def test_no_passage_looks_like_the_end_or_like_another(text: str, agent: str, said: str):
    told = recollected({"one": [Passage(text, agent), REFUND]}, 1000)
    for line in told.text.splitlines()[1:-1]:
        assert line.startswith(("one", "| "))
    assert "\n]" not in told.text[:-2]
    assert without(behind(said, told.text)) == (said if told.text else without(said))


@given(TEXTS)
def test_a_text_without_a_block_stays(text: str):
    assert without(text) == text

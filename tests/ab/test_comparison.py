"""What a set of replies shows."""

from collections.abc import Mapping, Sequence

import msgspec

from app.ab.asking import Arm, Reply
from app.ab.comparison import Comparison, Terms, compare
from app.ab.kept import Asked
from app.ab.question import Question

RIGHT, WRONG = "right", "wrong"
TERMS = Terms()


def replies(
    raw: Sequence[str], encoded: Sequence[str], number: int = 0, saved: int = 90
) -> dict[Asked, Reply]:
    """One question after another; "" is a failure."""
    found = {}
    arms: Mapping[Arm, Sequence[str]] = {"raw": raw, "encoded": encoded}
    for arm, texts in arms.items():
        for place, text in enumerate(texts):
            reply = Reply(
                f"q{place}",
                arm,
                number,
                text=text,
                error="" if text else "500 bad",
                saved=saved if arm == "encoded" else 0,
                upstream="world",
                model="reader",
                prompt_tokens=100 if arm == "raw" else 60,
                completion_tokens=10 if arm == "raw" else 11,
                seconds=1.0 if arm == "raw" else 0.5,
            )
            found[reply.question, reply.arm, reply.number] = reply
    return found


def compared(found: Mapping[Asked, Reply], terms: Terms = TERMS) -> Comparison:
    names = sorted({name for name, _, _ in found})
    return compare([Question(name, "part", [], RIGHT) for name in names], found, terms)


def test_four_hundred_that_do_not_differ_prove_it():
    found = compared(replies([RIGHT] * 400, [RIGHT] * 400))

    assert (found.verdict, found.needed) == ("proved", None)
    assert (found.upstream, found.model) == ("world", "reader")
    assert found.why == "the encoded arm is at most 1.0 points worse"
    assert found.cost.saved_share == 0.4
    assert (found.cost.completion_ratio, found.cost.seconds_ratio) == (1.1, 0.5)


def test_a_hundred_that_do_not_differ_prove_nothing_and_ninety_five_more_would():
    found = compared(replies([RIGHT] * 100, [RIGHT] * 100))

    assert (found.verdict, found.needed) == ("not proved", 195)


def test_a_tenth_lost_is_worse():
    found = compared(replies([RIGHT] * 200, [RIGHT] * 180 + [WRONG] * 20))

    assert (found.verdict, found.needed) == ("worse", None)
    assert found.difference is not None
    assert (found.difference.gained, found.difference.lost) == (0, 20)
    assert found.difference.p_value < 1e-5
    assert found.difference.value == -0.1


def test_four_of_a_hundred_and_twenty_may_be_chance():
    found = compared(replies([RIGHT] * 120, [RIGHT] * 116 + [WRONG] * 4))

    assert found.difference is not None
    assert (found.verdict, found.difference.p_value) == ("not proved", 0.125)
    assert found.difference.high < 0


def test_a_difference_within_the_margin_is_proved_even_if_it_is_one():
    found = compared(replies([RIGHT] * 4000, [RIGHT] * 3980 + [WRONG] * 20))

    assert found.difference is not None
    assert found.difference.high < 0
    assert found.verdict == "proved"


def test_a_model_that_is_mostly_wrong_proves_nothing():
    found = compared(replies([WRONG] * 400, [WRONG] * 400))

    assert found.verdict == "not proved"
    assert "right in 0% of the raw prompts" in found.why
    assert found.needed is None


def test_failures_are_never_wrong_answers_and_too_many_prove_nothing():
    few = compared(replies([RIGHT] * 380 + [""] * 20, [RIGHT] * 400))
    many = compared(replies([RIGHT] * 300 + [""] * 100, [RIGHT] * 400))

    assert few.verdict == "proved"
    assert (few.raw.count, few.raw.share, few.left.failed, few.left.raw) == (380, 1.0, 20, 20)
    assert (many.verdict, many.why) == ("not proved", "100 questions have no pair of answers")


def test_failures_of_encoded_prompts_alone_prove_nothing():
    found = compared(replies([RIGHT] * 400, [""] * 8 + [RIGHT] * 392))

    assert (found.verdict, found.why) == ("not proved", "encoded prompts fail more often than raw ones")


def test_prompts_that_stay_as_they_are_are_counted_and_left_out():
    some = replies([RIGHT] * 300, [RIGHT] * 300)
    some["q7", "encoded", 0] = msgspec.structs.replace(some["q7", "encoded", 0], saved=0, text=WRONG)
    del some["q7", "raw", 0]
    found, nothing = compared(some), compared(replies([RIGHT] * 9, [RIGHT] * 9, saved=0))

    assert (found.left.unchanged, len(found.pairs), found.encoded.share) == (1, 299, 1.0)
    assert (nothing.verdict, nothing.difference) == ("not proved", None)
    assert "changed no prompt" in nothing.why


def test_answers_of_another_model_are_left_out():
    some = replies([RIGHT] * 300, [RIGHT] * 300)
    for place in range(3):
        some[f"q{place}", "encoded", 0] = msgspec.structs.replace(
            some[f"q{place}", "encoded", 0], model="fallback"
        )

    found = compared(some)

    assert (found.left.elsewhere, len(found.pairs), found.model) == (3, 297, "reader")


def test_the_raw_arm_is_held_against_itself():
    raw, encoded = [RIGHT] * 300, [RIGHT] * 294 + [WRONG] * 6
    again = [RIGHT] * 291 + ["other"] * 9

    found = compared(replies(raw, encoded) | replies(again, [], number=1))

    assert (found.itself.number, found.itself.count) == (291, 300)
    assert (found.other.number, found.other.count) == (294, 300)


def test_a_question_asked_several_times_counts_with_its_mean():
    one = replies([RIGHT] * 10, [RIGHT] * 9 + [WRONG])
    two = replies([RIGHT] * 9 + [WRONG], [RIGHT] * 10, number=1)

    found = compared(one | two, Terms(replicates=2))

    assert found.difference is not None
    assert found.pairs[-1].difference == 0.0
    assert (found.raw.number, found.difference.value) == (9.5, 0.0)

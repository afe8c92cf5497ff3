"""Which texts become tokens."""

import random
from itertools import combinations

import pytest

from training.choosing import Chosen, Passage, chosen, passages
from training.recipe import Choice


def length(text: str) -> int:
    return len(text.split())


def best(texts: list[str], **settings: int) -> list[Chosen]:
    wanted = {"count": 10, "least_tokens": 2, "least_uses": 2, "longest": 3} | settings
    return [*chosen([*passages(texts)], Choice(**wanted), length, lambda _: None)]


def test_what_saves_most_comes_first():
    texts = [
        "A long text of eight words is here.",
        "Short one.",
        "Short one.",
        "Short one.",
        "A long text of eight words is here.",
    ]
    found = best(texts)
    assert [(each.phrase, each.uses, each.saved) for each in found] == [
        ("A long text of eight words is here.", 2, 14),
        ("Short one.", 3, 3),
    ]


def test_a_text_within_a_chosen_one_counts_only_where_it_stands_alone():
    together = "The gate is shut. Nobody opens it."
    found = best([together, together, together, "The gate is shut.", "The gate is shut."])
    assert [(each.phrase, each.uses) for each in found] == [(together, 3), ("The gate is shut.", 2)]


def test_uses_are_never_counted_twice():
    random_ = random.Random(3)
    sentences = [f"{'word ' * random_.randint(1, 6)}{number}." for number in range(8)]
    texts = [" ".join(random_.choices(sentences, k=random_.randint(1, 6))) for _ in range(60)]
    taken = sum(each.uses * each.tokens for each in best(texts, count=50))
    assert taken <= sum(map(length, texts))


def test_the_greedy_choice_is_near_the_best_of_all():
    random_ = random.Random(5)
    sentences = [f"{'word ' * random_.randint(1, 5)}s{number}." for number in range(5)]
    texts = [" ".join(random_.choices(sentences, k=3)) for _ in range(30)]
    settings = Choice(count=2, least_tokens=2, least_uses=2, longest=2)
    greedy = sum(each.saved for each in chosen([*passages(texts)], settings, length, lambda _: None))
    candidates = {text[start:end] for text in texts for p in passages([text]) for start, end in runs(p)}
    most = max(sum(replaced(texts, pair)) for pair in combinations(sorted(candidates), 2))
    assert greedy >= (1 - 1 / 2.718) * most


def runs(passage: Passage):
    for at, (start, _) in enumerate(passage.spans):
        for _, end in passage.spans[at : at + 2]:
            yield start, end


def replaced(texts, pair):
    for text in texts:
        left = text
        for phrase in sorted(pair, key=len, reverse=True):
            left = left.replace(phrase, "X")
        yield length(text) - length(left)


@pytest.mark.parametrize("text", ["One\ttab in it.", "<|Δ1|> is one already."])
def test_what_can_be_no_token_is_not_chosen(text):
    assert best([text, text, text]) == []


def test_registers_of_scenes_go_with_the_texts():
    found = chosen([*passages(["Fear it now."] * 3)], Choice(least_tokens=2), length, lambda _: "emotion")
    assert [each.register for each in found] == ["emotion"]

"""Rows that learn beside a base, and its teacher."""

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from training.examples import Side
from training.hyper_rows import HyperRows
from training.reader import Reader, asked
from training.teacher import Opinion

IDS = [60, 61, 62]


def model(*, tied: bool) -> Qwen3ForCausalLM:
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        intermediate_size=48, tie_word_embeddings=tied,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval()


TOKENS = torch.tensor([[1, 60, 5, 62, 62, 7], [61, 2, 3, 4, 60, 9]])


@pytest.mark.parametrize("tied", [True, False])
def test_rows_beside_a_base_say_what_rows_in_it_say(tied):
    beside, within = model(tied=tied), model(tied=tied)
    rows = HyperRows(beside, IDS)
    with torch.no_grad():
        for weight in rows.parameters():
            weight.add_(torch.randn_like(weight))
        rows.write(within)
        assert torch.allclose(beside(input_ids=TOKENS).logits, within(input_ids=TOKENS).logits, atol=1e-5)
    assert len([*rows.parameters()]) == (1 if tied else 2)


def test_without_them_the_base_is_what_it_was_and_never_tells_them():
    plain, beside = model(tied=True), model(tied=True)
    rows = HyperRows(beside, IDS)
    with torch.no_grad():
        rows.read.add_(1.0)
        with rows.without():
            told = beside(input_ids=TOKENS).logits
        expected = plain(input_ids=TOKENS).logits
    others = [token for token in range(64) if token not in IDS]
    assert torch.equal(told[..., others], expected[..., others])
    assert (told[..., IDS] == -torch.inf).all()


@pytest.mark.parametrize("tied", [True, False])
def test_only_the_rows_learn_and_they_come_back_from_disk(tmp_path, tied):
    beside = model(tied=tied)
    for weight in beside.parameters():
        weight.requires_grad_(False)  # noqa: FBT003 - as torch has it
    rows = HyperRows(beside, IDS)
    beside(input_ids=TOKENS).logits.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in rows.parameters())
    assert all(weight.grad is None for weight in beside.parameters())
    rows.save(tmp_path)
    other = HyperRows(model(tied=tied), IDS)
    with torch.no_grad():
        other.read.zero_()
    other.load(tmp_path)
    assert torch.equal(other.read, rows.read)
    assert torch.equal(other.told, rows.told)


def test_a_reader_tells_what_the_model_tells_at_the_answers_alone():
    made = model(tied=True)
    sides = [Side([1, 2, 3], [4, 5]), Side([6], [7, 8, 9, 10])]
    tokens, places, wanted = asked(sides, torch.device("cpu"))
    with torch.no_grad():
        logits = Reader(made)(tokens, places)
        for at, side, first in ((0, sides[0], 0), (1, sides[1], 2)):
            whole = made(input_ids=torch.tensor([side.tokens])).logits[0]
            own = whole[len(side.prompt) - 1 : -1]
            assert torch.allclose(logits[first : first + len(side.answer)], own, atol=1e-5), at
    assert wanted.tolist() == [4, 5, 7, 8, 9, 10]


def opinion(teacher: torch.Tensor, top: int) -> Opinion:
    logs = teacher.log_softmax(-1)
    best = logs.topk(top, -1)
    return Opinion(best.indices, best.values, 1 - best.values.exp().sum(-1))


def full(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    one, other = teacher.log_softmax(-1), student.log_softmax(-1)
    return (one.exp() * (one - other)).sum(-1).mean()


def test_what_is_kept_of_a_teacher_bounds_the_divergence_from_below():
    torch.manual_seed(2)
    teacher, student = torch.randn(20, 64) * 3, torch.randn(20, 64) * 3
    whole = full(teacher, student)
    found = [opinion(teacher, top).divergence(student) for top in (4, 16, 60, 64)]
    assert all(one <= other + 1e-5 for one, other in zip(found, [*found[1:], whole], strict=True))
    assert found[-1] == pytest.approx(whole.item(), rel=1e-4)
    assert opinion(teacher, 8).divergence(teacher).item() == pytest.approx(0.0, abs=1e-5)

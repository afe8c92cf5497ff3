"""Three hundred random sequences of faults, each against a deadline."""

from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chaos.deadline import AT_ONCE, batch, findings

SEQUENCES = 300


@settings(
    max_examples=SEQUENCES // AT_ONCE, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
@given(st.randoms(use_true_random=False))
async def test_every_answer_ends_by_its_deadline_and_is_whole_or_says_that_it_is_not(random: Random):
    assert [finding.faults for finding in findings(await batch(random)) if not finding.holds] == []

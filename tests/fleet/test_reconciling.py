from hypothesis import given
from hypothesis import strategies as st

from app.fleet.reconciling import Shelved, Step, next_step

NAMES = ["a@00000001", "b@00000002", "c@00000003"]


def test_what_is_wanted_is_loaded_and_what_is_there_is_proved_the_most_wanted_first():
    shelved = Shelved(frozenset({NAMES[1]}))
    assert next_step(shelved, NAMES, NAMES, {}, 0) == Step("load", NAMES[0])
    assert next_step(shelved, NAMES[1:], NAMES, {}, 0) == Step("prove", NAMES[1])


def test_what_was_refused_is_left():
    shelved = Shelved(refused={NAMES[0]: "no"})
    assert next_step(shelved, NAMES[:1], NAMES, {}, 0) is None


def test_what_is_not_wanted_goes_when_it_answers_nobody_and_is_ours():
    shelved = Shelved(frozenset({NAMES[0], "static"}))
    assert next_step(shelved, [], NAMES, {NAMES[0]: object()}, 0) is None
    assert next_step(shelved, [], NAMES, {}, 0) == Step("unload", NAMES[0])


def test_with_each_slot_that_is_filled_for_the_first_time_the_base_is_looked_at():
    shelved = Shelved(frozenset(NAMES))
    for name in NAMES:
        shelved.admit(name)
    assert next_step(shelved, NAMES, NAMES, {}, 2) == Step("mix", "")
    shelved.mixed = 2
    assert next_step(shelved, NAMES, NAMES, {}, 2) is None


def test_a_replica_that_lost_an_adapter_says_so():
    shelved = Shelved(frozenset(NAMES))
    for name in NAMES:
        shelved.admit(name)
    assert shelved.heard(NAMES[:1]) == set(NAMES[1:])
    assert shelved.admitted == {NAMES[0]}


@given(
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
    st.integers(0, 3),
)
def test_the_steps_lead_to_what_is_wanted_and_end(listed, wanted, unfit, slots):
    shelved, order = Shelved(frozenset(listed)), sorted(wanted)
    for _ in range(20):
        step = next_step(shelved, order, NAMES, {}, slots)
        if step is None:
            break
        if step.action == "mix":
            shelved.mixed = min(shelved.most, slots)
        elif step.action == "unload":
            shelved.heard(shelved.listed - {step.name})
        elif step.name in unfit:
            shelved.refused[step.name] = "unfit"
            shelved.heard(shelved.listed - {step.name})
        else:
            shelved.heard(shelved.listed | {step.name})
            shelved.admit(step.name)
    else:
        raise AssertionError("it does not end")
    assert shelved.admitted == shelved.listed == wanted - unfit

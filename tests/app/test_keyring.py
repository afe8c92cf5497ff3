"""Who a key is: from the file, the store, or signed and short-lived. The clock is the test's."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.allowance import Allowance, Bound
from app.contracts import PRIORITIES, Caller, lowered
from app.errors import ForbiddenGrant, ForbiddenHost, ForbiddenModel, ForbiddenOrigin, InvalidKey, NoStore
from app.keys.granting import WantedGrant
from app.keys.grants import PREFIX, Grant, Signer, limits_of
from app.keys.keyring import MOST_GRANTS, Keyring
from app.store.keys import StoredKey

NOW = 1_800_000_000.0
SIGNER = Signer(b"one secret")


class Clock:
    """A moment that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def bearer(key: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + key.encode()}


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def stored(id: str, **members) -> StoredKey:  # noqa: A002
    """A key of the store; the key itself is `hb-ID-1`."""
    return StoredKey(id, digest(f"hb-{id}-1"), NOW - 100, **({"models": None} | members))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keyring(clock):
    """One with the key `hb-file-1` of the file."""
    return Keyring({digest("hb-file-1"): Caller("file", frozenset({"m"}))}, SIGNER, clock=clock)


def lent(keyring: Keyring, key: str, clock: Clock, **wanted) -> str:
    return WantedGrant(**wanted).made(keyring.key_of(bearer(key)), keyring.signer, clock.now)[0]


def refusal(keyring: Keyring, key: str) -> str:
    with pytest.raises(InvalidKey) as refused:
        keyring.identify(bearer(key))
    return refused.value.message


def test_keys_of_the_file_and_of_the_store_count_side_by_side(keyring):
    allowance = Allowance(requests=(Bound(3, "minute"),))
    keyring.replace([
        stored("a", models=("m", "n"), allowance=allowance, priority="batch", weight=3, admin=True)
    ])

    assert keyring.identify(bearer("hb-file-1")).id == "file"
    assert keyring.identify(bearer("hb-a-1")) == Caller(
        "a", frozenset({"m", "n"}), allowance, "batch", 3, admin=True
    )
    assert keyring.identify({b"x-api-key": b"hb-a-1"}).id == "a"
    assert refusal(keyring, "hb-a-2") == "The API key is not known to this gateway."


def test_a_key_counts_until_its_moment_and_not_longer(keyring, clock):
    keyring.replace([stored("a", expires_at=NOW + 10)])

    clock.now = NOW + 9.9
    assert keyring.identify(bearer("hb-a-1")).id == "a"
    clock.now = NOW + 10
    assert refusal(keyring, "hb-a-1") == "The API key 'a' has expired."


def test_a_revoked_key_is_told_so_whatever_the_clock_of_the_one_who_revoked_it(keyring):
    keyring.replace([stored("a", revoked_at=NOW + 1000, expires_at=NOW + 2000)])

    assert refusal(keyring, "hb-a-1") == "The API key 'a' was revoked."


def test_after_a_rotation_the_key_before_counts_for_its_grace(keyring, clock):
    rotated = stored("a", previous_digest=digest("hb-a-0"), previous_until=NOW + 60)
    keyring.replace([rotated])

    assert keyring.identify(bearer("hb-a-0")) == keyring.identify(bearer("hb-a-1"))
    clock.now = NOW + 60
    assert refusal(keyring, "hb-a-0") == "The API key 'a' was replaced by a new one."
    assert keyring.identify(bearer("hb-a-1")).id == "a"


def test_a_revoked_key_ends_with_the_one_it_replaced(keyring):
    keyring.replace([
        stored("a", previous_digest=digest("hb-a-0"), previous_until=NOW + 60, revoked_at=NOW - 1)
    ])

    assert refusal(keyring, "hb-a-0") == refusal(keyring, "hb-a-1") == "The API key 'a' was revoked."


def test_of_two_keys_with_one_id_that_of_the_file_counts_and_the_log_says_so(keyring, caplog):
    keyring.replace([stored("file"), stored("a")])
    keyring.replace([stored("file"), stored("a")])

    assert keyring.identify(bearer("hb-file-1")).models == {"m"}
    assert keyring.identify(bearer("hb-a-1")).id == "a"
    keyring.replace([StoredKey("file", digest("hb-file-2"), NOW, models=None)])
    assert refusal(keyring, "hb-file-2") == "The API key is not known to this gateway."
    assert [record.getMessage() for record in caplog.records] == [
        "keys that the configuration has as well do not count in the store: file"
    ]


def test_without_any_key_who_is_near_is_the_one_user_and_may_manage_keys(clock):
    keyring = Keyring({}, SIGNER, ["https://app.example"], clock)
    near = {b"host": b"localhost:8000"}

    assert keyring.identify(near) == Caller("local", admin=True)
    assert keyring.identify(near | bearer("sk-whatever")).id == "local"
    assert keyring.identify(near | {b"origin": b"https://app.example"}).id == "local"
    with pytest.raises(ForbiddenHost):
        keyring.identify({b"host": b"gateway.example"})
    with pytest.raises(ForbiddenOrigin):
        keyring.identify(near | {b"origin": b"https://other.example"})


def test_from_the_first_key_on_keys_are_demanded_even_where_it_is_gone_again(clock):
    keyring = Keyring({}, SIGNER, clock=clock)
    near = {b"host": b"localhost"}
    keyring.replace([stored("a")])

    assert keyring.identify(near | bearer("hb-a-1")).id == "a"
    with pytest.raises(InvalidKey):
        keyring.identify(near)
    keyring.replace([])
    with pytest.raises(InvalidKey):
        keyring.identify(near)


def test_a_short_lived_key_is_its_parent_with_fewer_rights(keyring, clock):
    keyring.replace([stored("a", models=("m", "n"), priority="normal", weight=2, admin=True)])

    key = lent(keyring, "hb-a-1", clock, models=("n",), user="u1", limits={"requests": "2/minute"})
    caller = keyring.identify(bearer(key))

    assert (caller.id, caller.models, caller.weight) == ("a", {"n"}, 2)
    assert (caller.user, caller.admin, caller.priority) == ("u1", False, "normal")
    assert caller.grant
    assert caller.grant_allowance == Allowance(requests=(Bound(2, "minute"),))
    assert keyring.identify(bearer(key)) is caller
    assert keyring.identify(bearer(lent(keyring, "hb-a-1", clock))).models == {"m", "n"}


def test_workers_that_share_the_secret_know_each_others_short_lived_keys(keyring, clock):
    other = Keyring({}, SIGNER, clock=clock)
    stranger = Keyring({}, Signer(b"another secret"), clock=clock)
    for each in (keyring, other, stranger):
        each.replace([stored("a")])

    key = lent(keyring, "hb-a-1", clock)

    assert other.identify(bearer(key)).id == "a"
    assert refusal(stranger, key) == "The short-lived key is not one that this gateway made."


def test_a_short_lived_key_ends_at_its_time_or_with_its_parent(keyring, clock):
    keyring.replace([stored("a", expires_at=NOW + 300)])
    short, long = (lent(keyring, "hb-a-1", clock, expires_in_seconds=n) for n in (60, 3600))

    clock.now = NOW + 60
    assert refusal(keyring, short) == "The short-lived API key made from 'a' has expired."
    assert keyring.identify(bearer(long)).grant
    clock.now = NOW + 300
    assert refusal(keyring, long) == "The short-lived API key made from 'a' has expired."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"revoked_at": NOW}, "The short-lived API key made from 'a' ended: that key was revoked."),
        (
            {"digest": digest("hb-a-2"), "previous_digest": digest("hb-a-1"), "previous_until": NOW},
            "The short-lived API key made from 'a' ended: that key was replaced by a new one.",
        ),
        (
            {"digest": digest("hb-a-2")},
            "The key that this short-lived API key was made from does not count any more.",
        ),
    ],
)
def test_a_short_lived_key_ends_when_its_parent_is_revoked_or_rotated_away(keyring, clock, change, said):
    keyring.replace([stored("a")])
    key = lent(keyring, "hb-a-1", clock)
    assert keyring.identify(bearer(key)).id == "a"

    members = {"digest": digest("hb-a-1"), "created_at": NOW, "models": None} | change
    keyring.replace([StoredKey("a", **members)])

    assert refusal(keyring, key) == said


def test_a_short_lived_key_survives_its_parents_rotation_for_the_grace(keyring, clock):
    keyring.replace([stored("a")])
    key = lent(keyring, "hb-a-1", clock)
    keyring.replace([
        StoredKey("a", digest("hb-a-2"), NOW, None, previous_digest=digest("hb-a-1"), previous_until=NOW + 9)
    ])

    assert keyring.identify(bearer(key)).id == "a"
    clock.now = NOW + 9
    assert "replaced" in refusal(keyring, key)


def test_models_that_the_parent_loses_are_lost_to_its_short_lived_keys(keyring, clock):
    keyring.replace([stored("a", models=("m", "n"))])
    key = lent(keyring, "hb-a-1", clock, models=("m", "n"))
    keyring.replace([stored("a", models=("n", "o"))])

    assert keyring.identify(bearer(key)).models == {"n"}


def test_a_short_lived_key_makes_no_other_one_and_gives_no_right_that_its_parent_lacks(keyring, clock):
    key = lent(keyring, "hb-file-1", clock)

    with pytest.raises(ForbiddenGrant):
        lent(keyring, key, clock)
    with pytest.raises(ForbiddenModel, match="'other'"):
        lent(keyring, "hb-file-1", clock, models=("m", "other"))
    assert keyring.identify(bearer(lent(keyring, "hb-file-1", clock, models=("*",)))).models == {"m"}


@given(own=st.sampled_from(PRIORITIES), asked=st.sampled_from(PRIORITIES))
def test_a_priority_is_lowered_and_never_raised(own, asked):
    assert PRIORITIES.index(lowered(asked, own)) == max(PRIORITIES.index(own), PRIORITIES.index(asked))
    keyring = Keyring({digest("k"): Caller("a", priority=own)}, SIGNER, clock=Clock())
    key = lent(keyring, "k", Clock(), priority=asked)
    assert keyring.identify(bearer(key)).priority == lowered(asked, own)


def test_in_single_user_mode_a_short_lived_key_has_its_own_rights_until_keys_are_demanded(clock):
    keyring = Keyring({}, SIGNER, clock=clock)
    near = {b"host": b"127.0.0.1:8000"}
    key = WantedGrant(models=("m",)).made(keyring.key_of(near), SIGNER, NOW)[0]

    assert keyring.identify(near | bearer(key)).models == frozenset({"m"})
    keyring.replace([stored("a")])
    assert "does not count any more" in refusal(keyring, key)


def test_a_key_that_did_not_change_stays_the_same_caller_when_others_do(keyring):
    keyring.replace([stored("a"), stored("b")])
    before = keyring.identify(bearer("hb-a-1"))
    keyring.replace([stored("a"), stored("b", weight=2), stored("c")])

    assert keyring.identify(bearer("hb-a-1")) is before
    assert keyring.identify(bearer("hb-b-1")).weight == 2
    assert keyring.identify(bearer("hb-c-1")).id == "c"


def test_read_grants_are_kept_within_a_bound(keyring):
    keyring.replace([stored("a")])
    for number in range(MOST_GRANTS + 5):
        grant = Grant("a", SIGNER.proof(bytes.fromhex(digest("hb-a-1"))), f"{number}", int(NOW) + 60)
        keyring.identify(bearer(SIGNER.write(grant)))

    assert len(keyring._grants) == MOST_GRANTS


LIMITS = st.builds(
    Allowance,
    requests=st.sampled_from([(), (Bound(3, "minute"), Bound(9, "day"))]),
    usd=st.sampled_from([(), (Bound(2_500_000_000, "month"),)]),
    concurrent=st.one_of(st.none(), st.integers(1, 9)),
)


@given(
    models=st.one_of(st.none(), st.lists(st.text(min_size=1, max_size=20), min_size=1).map(tuple)),
    user=st.one_of(st.none(), st.text(min_size=1)),
    limits=LIMITS,
    until=st.integers(0, 2**40),
)
def test_a_grant_is_read_as_it_was_written(models, user, limits, until):
    grant = Grant("a", "b", "c", until, models, user, "batch", limits_of(limits))
    key = SIGNER.write(grant)

    assert SIGNER.read(key.encode()) == grant
    assert grant.allowance == limits
    assert key.isascii()
    assert key.startswith(PREFIX)


@given(data=st.data())
def test_a_grant_that_was_changed_in_any_place_is_none(data):
    key = SIGNER.write(Grant("a", "b", "c", 2**31, ("m",)))
    place = data.draw(st.integers(len(PREFIX), len(key) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != key[place]))

    for changed in (key[:place] + other + key[place + 1 :], key[:place], key + other):
        with pytest.raises(InvalidKey):
            SIGNER.read(changed.encode())


def test_before_the_store_has_told_its_keys_those_of_the_file_count_and_all_others_have_to_ask_again():
    keyring = Keyring({sha256(b"hb-file-1").hexdigest(): Caller("file")}, SIGNER)
    keyring.is_blind = True
    assert keyring.identify(bearer("hb-file-1")).id == "file"
    for other in ("hb-stored-1", "hb-eph-x-y", ""):
        with pytest.raises(NoStore, match="ask again"):
            keyring.identify(bearer(other))

    keyring.replace([])
    with pytest.raises(InvalidKey):
        keyring.identify(bearer("hb-stored-1"))

from collections import Counter

from app.fleet.placement import COOL_SECONDS, Placement, ranked

REPLICAS = [f"http://10.0.0.{number}:8000/v1" for number in range(8)]
ADAPTERS = [f"adapter-{number}@0123abcd" for number in range(400)]


def test_everyone_ranks_alike_whatever_the_order_of_the_list():
    assert ranked("a", REPLICAS) == ranked("a", list(reversed(REPLICAS)))


def test_a_replica_that_goes_moves_only_its_own():
    gone = REPLICAS[3]
    for adapter in ADAPTERS:
        first, second, *_ = ranked(adapter, REPLICAS)
        left = ranked(adapter, [each for each in REPLICAS if each != gone])
        assert left[0] == (second if first == gone else first)


def test_homes_are_spread_evenly():
    homes = Counter(ranked(adapter, REPLICAS)[0] for adapter in ADAPTERS)
    assert max(homes.values()) < 1.5 * len(ADAPTERS) / len(REPLICAS)


def test_an_adapter_that_nobody_asks_for_has_a_home_and_one_to_spare():
    placement = Placement(least=2)
    assert placement.homes("a", 0.0) == 1
    assert placement.wanted("a", REPLICAS, 0.0) == ranked("a", REPLICAS)[:2]


def test_homes_come_with_demand_at_once_and_go_one_by_one_when_it_is_gone():
    placement = Placement(least=1, calls_a_replica=8)
    for _ in range(30):
        placement.begin("a", 0.0)
    assert placement.homes("a", 120.0) == 4
    for _ in range(30):
        placement.end("a", 120.0)
    assert placement.homes("a", 200.0) == 4
    at = 120.0 + COOL_SECONDS + 100
    assert placement.homes("a", at) == 3
    assert placement.homes("a", at + 1) == 3
    assert placement.homes("a", at + COOL_SECONDS + 1) == 2


def test_a_short_burst_moves_nothing():
    placement = Placement(least=1, calls_a_replica=8)
    for _ in range(10):
        placement.begin("a", 0.0)
    for _ in range(10):
        placement.end("a", 1.0)
    assert placement.homes("a", 1.0) == 1


def test_there_are_no_more_places_than_replicas():
    assert Placement(least=9).wanted("a", REPLICAS[:3], 0.0) == ranked("a", REPLICAS[:3])

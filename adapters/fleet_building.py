"""From the configuration to a fleet: replicas, the choice among them, and the adapters that they are given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.breaking import Breaking
from adapters.directory import Directory
from adapters.fleet import Fleet, Patience, Server
from adapters.giving import Terms
from adapters.lora import Loras
from app import config
from app.fleet.choice import policy_of
from app.fleet.placement import Placement
from app.fleet.prefixes import Prefixes
from app.fleet.replica import Replica
from app.fleet.residency import Residency
from app.loras.shared import Shared
from app.loras.versions import Shelf


class Reached(Protocol):
    """A server as it is reached: on the exchange path, and beside it."""

    url: str
    upstream: Breaking
    directory: Directory


@dataclass(frozen=True, slots=True)
class Built:
    """A fleet, and what gives it adapters, where something does."""

    fleet: Fleet
    loras: Loras | None


def fleet_of(name: str, settings: config.Vllm, reached: Sequence[Reached], shared: Shared) -> Built:
    servers = [
        Server(each.url, each.upstream, each.directory, _seat(each.url, place, settings))
        for place, each in enumerate(reached)
    ]
    prefixes = Prefixes()
    wanted = settings.loras
    placement = Placement() if wanted is None else Placement(wanted.least_replicas, wanted.calls_a_replica)
    patience = Patience(settings.max_waiting, settings.wait_seconds)
    fleet = Fleet(servers, policy_of(settings.choice, prefixes), prefixes, placement, patience)
    if wanted is None:
        return Built(fleet, None)
    shelf = Shelf(wanted.folder, wanted.base, wanted.max_rank)
    terms = Terms(
        fleet=name,
        replica_folder=wanted.replica_folder or str(wanted.folder.absolute()),
        quiesce_seconds=wanted.quiesce_seconds,
        load_seconds=wanted.load_seconds,
        canary_seconds=wanted.canary_seconds,
        keep_seconds=wanted.keep_seconds,
        look_seconds=wanted.look_seconds,
        mixing=wanted.mixing,
    )
    return Built(fleet, Loras(fleet, shelf, shared, placement, terms))


def _seat(url: str, place: int, settings: config.Vllm) -> Replica:
    kept = settings.max_cpu_loras or settings.max_loras
    return Replica(
        url, place, Residency(settings.max_loras, kept), settings.max_loras, settings.max_in_flight
    )

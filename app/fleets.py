"""What `/healthz` says of fleets that are given adapters."""

from collections.abc import Mapping, Sequence

from app.fleet.seen import FleetSeen
from app.health import Check

MOST_NAMED = 5


def checks(fleets: Mapping[str, FleetSeen]) -> Sequence[Check]:
    """One for each of them."""
    return [_check(f"fleet:{name}", fleet) for name, fleet in fleets.items()]


def _check(name: str, fleet: FleetSeen) -> Check:
    if fleet.fault:
        return Check(
            name, "degraded", fleet.fault, "Until then the servers keep the adapters that they have."
        )
    refused = [f"{each.name} ({each.told})" for each in fleet.adapters if each.state == "refused"]
    if refused:
        remedy = "Mend the adapter or take it away; `hyperbridge lora load` has it asked for again."
        return Check(name, "degraded", f"servers refuse {_listed(refused)}", remedy)
    away = [each.where for each in fleet.replicas if not each.reachable]
    if away:
        remedy = "See whether these servers run; their adapters are given to the others meanwhile."
        return Check(name, "degraded", f"out of reach: {_listed(away)}", remedy)
    missing = [each.name for each in fleet.adapters if each.state == "loading"]
    if missing:
        return Check(name, "degraded", f"servers still lack {_listed(missing)}", "They are given them now.")
    if fleet.faults:
        wrong = [f"{folder} ({faults[0]})" for folder, faults in fleet.faults.items()]
        return Check(
            name, "degraded", f"cannot be served: {_listed(wrong)}", "Mend these adapters, or take them away."
        )
    return Check(name, "healthy", f"{len(fleet.adapters)} adapters on {len(fleet.replicas)} servers")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more

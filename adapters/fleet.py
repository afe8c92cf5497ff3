"""Replicas with the same base model behind one upstream name: each call to the one that is best for it.

What is decided is in `app.fleet`; here it meets servers that break, stall and come back.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.breaking import Breaking, circuit_open
from adapters.directory import Directory
from app.contracts import Answer, ModelCard, Outbound, Placed
from app.errors import ModelMissing, UpstreamFailure, UpstreamLimited, UpstreamUnavailable
from app.fleet.choice import Choice, Policy
from app.fleet.dispatching import PATIENCE_SECONDS, Dispatcher, Place, Waiting
from app.fleet.placement import Placement, ranked
from app.fleet.prefixes import NO_BLOCKS, Prefixes, cut
from app.fleet.reconciling import Shelved
from app.fleet.replica import Asked, Replica, Sent
from app.outcomes import counts

ASIDE_SECONDS = 5.0
"""How long a replica that could not be reached is asked last: before its circuit has seen enough to open, each call
would wait for it as long as it takes to connect.
"""


MOST_ORDERS = 10_000
"""Adapters whose order of servers is remembered."""

_WORST = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How many calls wait for a replica that has their adapter and room, and how long at most."""

    most: int = 1000
    seconds: float = 60.0


class Server:
    """One replica: where it is, its upstream, its administration, and what is known of it.

    It is `ready` when it has all of the adapters that it shall have, and `quiet` while it gets no calls so that it can be given
    another one, by this worker or by another (`held_elsewhere`). Without adapters of ours it is always ready. `trouble` is why it cannot be looked at.
    """

    def __init__(self, where: str, upstream: Breaking, directory: Directory, seat: Replica) -> None:
        self.where = where
        self.upstream = upstream
        self.breaker = upstream.breaker
        self.directory = directory
        self.seat = seat
        self.shelved = Shelved()
        self.ready = True
        self.quiet = False
        self.held_elsewhere = False
        self.trouble: UpstreamFailure | None = None
        self.lost = asyncio.Event()
        """Set when there is reason to look at it: it could not be reached, or did not know an adapter that it had."""
        self._aside_until = 0.0

    @property
    def in_flight(self) -> int:
        return self.seat.in_flight

    @property
    def asked(self) -> int:
        return self.seat.calls

    def tier(self, tried: frozenset[str], now: float) -> int:
        """Lower is asked earlier: where the call has not failed, then who can be reached."""
        return 2 * (self.where in tried) + (self.breaker.doubted or now < self._aside_until)

    def may_answer(self, adapter: str) -> bool:
        """Whether a call of this adapter ("" is the base) may go to it."""
        if self.quiet or self.held_elsewhere:
            return False
        return self.ready and (not adapter or adapter in self.shelved.admitted)

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        try:
            async with self.upstream.open(outbound) as answer:
                yield answer
        except UpstreamFailure as failure:
            failure.where = self.where
            if isinstance(failure, UpstreamUnavailable) and counts(failure):
                self._aside_until = asyncio.get_running_loop().time() + ASIDE_SECONDS
                if not failure.answered:
                    self.lost.set()
            raise


class Fleet:
    """Sends each call to a replica."""

    def __init__(
        self,
        servers: Sequence[Server],
        policy: Policy,
        prefixes: Prefixes,
        placement: Placement,
        patience: Patience = Patience(),
    ) -> None:
        self.servers = tuple(servers)
        self.prefixes = prefixes
        self._by_seat: dict[Replica, Server] = {server.seat: server for server in servers}
        self._placement = placement
        self._patience = patience
        self._dispatcher = Dispatcher(policy, prefixes, placement)
        self.manages: Callable[[str], bool] = lambda _: False
        """Whether a model's name is an adapter that replicas are given from here."""
        self._orders: dict[str, Sequence[Server]] = {}

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        tried = set(outbound.tried)
        try:
            async with contextlib.AsyncExitStack() as held:
                yield await self._answer(outbound, held, tried)
        except UpstreamFailure as failure:
            failure.elsewhere = counts(failure) and any(
                server.where not in tried for server in self._admitting()
            )
            raise

    async def _answer(self, outbound: Outbound, held: contextlib.AsyncExitStack, tried: set[str]) -> Answer:
        """An answer of the best replica; where nothing could be sent to it, of the next.

        One that answers that it is overloaded was asked: whether another is, the bounds of the attempts say. One that does not
        know an adapter that it was given has begun anew.
        """
        asked = self._asked(outbound)
        while True:
            sent, reason = await self._turn(outbound, asked, frozenset(tried))
            server = self._by_seat[sent.replica]
            tried.add(server.where)
            outbound.placed(Placed(server.where, asked.adapter, reason))
            turn = contextlib.AsyncExitStack()
            turn.callback(self._end, sent)
            try:
                answer = await turn.enter_async_context(server.open(outbound))
            except UpstreamFailure as failure:
                await turn.aclose()
                if not self._goes_on(failure, server, asked.adapter, tried):
                    raise
            except BaseException:
                await turn.aclose()
                raise
            else:
                self._dispatcher.answered(sent, _now())
                await held.enter_async_context(turn)
                return answer

    def _goes_on(self, failure: UpstreamFailure, server: Server, adapter: str, tried: set[str]) -> bool:
        """Whether another replica is asked, within the same attempt."""
        if isinstance(failure, ModelMissing) and adapter:  # it had it when the call was sent
            server.shelved.admitted.discard(adapter)
            server.lost.set()
            tried.discard(server.where)  # it may be asked again, when it has the adapter again
            return True
        return (
            isinstance(failure, UpstreamUnavailable)
            and not failure.answered
            and any(each.where not in tried for each in self._admitting())
        )

    def _asked(self, outbound: Outbound) -> Asked:
        blocks = NO_BLOCKS
        if len(self.servers) > 1:  # where there is no choice, nothing is known by it
            blocks = cut(outbound.prompt(), outbound.model, outbound.caller)
        if not self.manages(outbound.model):
            return Asked("", blocks)
        return Asked(outbound.model, blocks, self._placement.homes(outbound.model, _now()))

    async def _turn(self, outbound: Outbound, asked: Asked, tried: frozenset[str]) -> tuple[Sent, str]:
        """Where the call goes, when there is room for it, and why. Raises UpstreamUnavailable."""
        now = _now()
        if not self._admitting():
            raise circuit_open(min(server.breaker.seconds_left(now) for server in self.servers))
        if all(server.trouble is not None for server in self.servers):
            raise UpstreamUnavailable(
                "No replica can be reached.", detail="not asked: none could be looked at"
            )
        turn = _Turn()
        place = Place(outbound.priority, outbound.caller, outbound.weight)
        waiting = Waiting(asked, lambda: self._candidates(asked.adapter, tried), turn.go, now, place)
        if self._dispatcher.put(waiting, now) and turn.sent is not None:
            return turn.sent, turn.reason
        if len(self._dispatcher) > self._patience.most and not self._dispatcher.send_anywhere(waiting, now):
            self._dispatcher.leave(waiting, now)
            raise self._no_room(asked.adapter)
        until = min(outbound.deadline, outbound.first_by, now + self._patience.seconds)
        try:
            sent = await self._wait(waiting, turn, until)
        except BaseException:
            self._dispatcher.leave(waiting, _now())
            if turn.sent is not None:
                self._end(turn.sent)
            raise
        return sent, turn.reason

    async def _wait(self, waiting: Waiting, turn: "_Turn", until: float) -> Sent:
        while turn.sent is None:
            now = _now()
            if now >= until:
                raise self._no_room(waiting.asked.adapter)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(PATIENCE_SECONDS, until - now)):
                    await turn.come.wait()
            if turn.sent is None:
                self._dispatcher.pump(_now())  # who has waited long takes what there is
        return turn.sent

    def _no_room(self, adapter: str) -> UpstreamFailure:
        """Why a call waits no longer: nobody has its adapter, or those who have it are full, which another upstream may not be."""
        failure: UpstreamFailure
        if adapter and not any(adapter in server.shelved.admitted for server in self.servers):
            said = f"No replica has the adapter {adapter} yet."
            failure = UpstreamUnavailable(said, detail="not asked: no adapter", headers={"retry-after": "5"})
        else:
            said = f"The upstream has no room: {len(self._dispatcher)} calls wait."
            failure = UpstreamLimited(said, detail="not asked: full", headers={"retry-after": "1"})
        failure.blameless = True
        return failure

    def pump(self) -> None:
        """Something has changed that calls may wait for."""
        self._dispatcher.pump(_now())

    @property
    def waiting(self) -> int:
        return len(self._dispatcher)

    def _end(self, sent: Sent) -> None:
        self._dispatcher.end(sent, _now())

    def _candidates(self, adapter: str, tried: frozenset[str]) -> Sequence[Replica]:
        """The replicas that may answer: the best of those that are there, in the order in which the adapter belongs to them."""
        now = _now()
        best, chosen = _WORST, list[Replica]()
        for server in self._order(adapter) if adapter else self.servers:
            if not (server.may_answer(adapter) and server.breaker.admits(now)):
                continue
            tier = server.tier(tried, now)
            if tier < best:
                best, chosen = tier, []
            if tier == best:
                chosen.append(server.seat)
        if not adapter:
            chosen.sort(key=_calls)
        return chosen

    def _order(self, adapter: str) -> Sequence[Server]:
        """All servers, those first that the adapter belongs to most."""
        order = self._orders.get(adapter)
        if order is None:
            if len(self._orders) >= MOST_ORDERS:
                self._orders.clear()
            by_name = {server.where: server for server in self.servers}
            order = self._orders[adapter] = [by_name[name] for name in ranked(adapter, by_name)]
        return order

    def _admitting(self) -> list[Server]:
        now = _now()
        return [server for server in self.servers if server.breaker.admits(now)]

    async def models(self) -> list[ModelCard]:
        """The models and LoRA adapters that any replica lists. Raises UpstreamFailure where none answers."""
        lists = await asyncio.gather(*(_listed(server) for server in self.servers))
        found = [cards for cards in lists if not isinstance(cards, UpstreamFailure)]
        if not found:
            raise next(failure for failure in lists if isinstance(failure, UpstreamFailure))
        return list({card.id: card for cards in found for card in cards}.values())


class _Turn:
    """A call's turn: it comes at once, or is waited for."""

    __slots__ = ("come", "reason", "sent")

    def __init__(self) -> None:
        self.sent: Sent | None = None
        self.reason = ""
        self.come = asyncio.Event()

    def go(self, sent: Sent, choice: Choice) -> None:
        self.sent = sent
        self.reason = choice.reason
        self.come.set()


async def _listed(server: Server) -> Sequence[ModelCard] | UpstreamFailure:
    try:
        return await server.directory.cards()
    except UpstreamFailure as failure:
        return failure


def _calls(seat: Replica) -> int:
    return seat.calls


def _now() -> float:
    return asyncio.get_running_loop().time()

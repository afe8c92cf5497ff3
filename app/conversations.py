"""Who has answered a conversation, learned from the records of calls."""

from app.journal import Record
from app.routing.kept import Choice, Kept


class Conversations:
    """A reader of the journal: keeps what `auto` chose, or fell back to, where it answered well."""

    def __init__(self) -> None:
        self.kept = Kept()

    def read(self, record: Record) -> None:
        decision, route = record.decision, record.route
        if decision is not None and route is not None and record.failure is None:
            self.kept.keep(
                decision.conversation, Choice(decision.mode, route.upstream, route.model, route.alias)
            )

"""A short-lived key that somebody wants, made from the key that asks for it. Pure."""

import math
from typing import Annotated

from pydantic import Field

from app.config import AllowanceSettings
from app.config.schema import ALL_MODELS
from app.config.settings import Settings
from app.contracts import Priority, lowered
from app.errors import ForbiddenGrant, ForbiddenModel
from app.keys.grants import DEFAULT_SECONDS, MAX_SECONDS, Grant, Signer, limits_of, new_id
from app.keys.keyring import Held

MOST_MODELS = 32


class WantedGrant(Settings):
    """A short-lived key to be made."""

    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)] = Field(
        default=DEFAULT_SECONDS, description="how long it counts, at most as long as the key it is made from"
    )
    models: (
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=320)], ...],
            Field(min_length=1, max_length=MOST_MODELS),
        ]
        | None
    ) = Field(
        default=None,
        description="the models it may use, of those that the key itself may; null is all of these",
    )
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="whose it is: every call counts as this user's, whatever the call says"
    )
    priority: Priority | None = Field(default=None, description="at most the key's own; null is that one")
    limits: AllowanceSettings = Field(
        default=AllowanceSettings(), description="what it may use itself, within what the key may"
    )

    def made(self, held: Held, signer: Signer, now: float) -> tuple[str, Grant]:
        """The key and what is in it. Raises ForbiddenGrant and ForbiddenModel."""
        caller = held.caller
        if caller.grant:
            raise ForbiddenGrant("A short-lived key makes no other one: ask with the key it was made from.")
        names = None if self.models is None or ALL_MODELS in self.models else self.models
        refused = next((name for name in names or () if not caller.may_use(name)), None)
        if refused is not None:
            raise ForbiddenModel(
                f"The key that asks may not use the model {refused[:128]!r} itself.", param="models"
            )
        grant = Grant(
            parent=caller.id,
            proof=signer.proof(held.digest),
            id=new_id(),
            until=math.ceil(min(now + self.expires_in_seconds, held.until)),
            models=names,
            user=self.user,
            priority=None if self.priority is None else lowered(self.priority, caller.priority),
            limits=limits_of(self.limits.allowance),
        )
        return signer.write(grant), grant

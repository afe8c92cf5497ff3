"""Which scenes somebody may see in a search, as conditions of a statement."""

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, or_, select

from app.memory.memory import Wanted
from app.store.tables import SCENES, SUPERSESSIONS


def visible(wanted: Wanted, now: float) -> ColumnElement[bool]:
    """Of a row of SCENES: it is the tenant's, of the session and kinds, not expired, and nothing took its place."""
    conditions = [SCENES.c.tenant == wanted.tenant, lasting(now)]
    if wanted.session is not None:
        conditions.append(SCENES.c.session == wanted.session)
    if wanted.kinds is not None:
        conditions.append(SCENES.c.kind.in_(sorted(wanted.kinds)))
    if not wanted.superseded:
        conditions.append(~select(SUPERSESSIONS.c.number).where(_took_its_place()).exists())
    return and_(*conditions)


def hidden(wanted: Wanted, now: float) -> Select[tuple[int]] | CompoundSelect[int]:
    """The numbers of the tenant's scenes that are not visible whatever session and kinds are looked for; they are few."""
    mine = select(SCENES.c.number).where(SCENES.c.tenant == wanted.tenant)
    expired = mine.where(SCENES.c.expires <= now)
    if wanted.superseded:
        return expired
    return expired.union(mine.join(SUPERSESSIONS, _took_its_place()))


def lasting(now: float) -> ColumnElement[bool]:
    return or_(SCENES.c.expires.is_(None), SCENES.c.expires > now)


def _took_its_place() -> ColumnElement[bool]:
    return and_(
        SUPERSESSIONS.c.tenant == SCENES.c.tenant,
        SUPERSESSIONS.c.id == SCENES.c.id,
        SUPERSESSIONS.c.number != SCENES.c.number,
    )

"""What somebody wants remembered, or looks for: checked, and made ready."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.config.settings import Settings
from app.config.values import wrong
from app.contracts import Caller
from app.memory.memory import MOST_HITS, Source, Wanted
from app.wire import MAX_MODEL_LENGTH
from scenes.former import Whose
from scenes.pieces import Turn
from scenes.scene import Kind, Scene, Trust, hash_of

MOST_CHARACTERS = 500_000
"""Of what is made into scenes at once, which takes some three seconds of a thread."""
MOST_TURNS = 2000
MOST_QUESTION_CHARACTERS = 10_000
MOST_SECONDS = 100 * 366 * 86_400

MOST_NAME_CHARACTERS = 256

Name = Annotated[str, Field(max_length=MOST_NAME_CHARACTERS)]
Session = Annotated[str, Field(min_length=1, max_length=256)]


class WantedTurn(Settings):
    """Something that was said."""

    role: Trust = Field(description="who said it, which is how far it is trusted")
    text: str
    agent: Name = Field(default="", description="who that is, by name")
    context: Name = Field(
        default="", description="what it belongs to, such as a day: a scene never goes beyond one"
    )


class WantedDocument(Settings):
    """A text that nobody said in a dialogue; it is trusted as what a tool gave back."""

    text: str
    title: Name = ""


class WantedScenes(Settings):
    """What is to be remembered: turns, or a document."""

    session: Session = Field(
        description="what it belongs to: a conversation, a folder; scenes are listed by it"
    )
    kind: Kind | None = Field(default=None, description="`dialogue` for turns, `document` for a document")
    turns: Annotated[tuple[WantedTurn, ...], Field(max_length=MOST_TURNS)] | None = None
    document: WantedDocument | None = None
    parser: Annotated[str, Field(min_length=1, max_length=MAX_MODEL_LENGTH)] | None = Field(
        default=None,
        description="a model that says what belongs together; null is by rules, as where its answer does not fit",
    )
    expires_seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)] | None = Field(
        default=None, description="how long it is remembered; null is until it is deleted"
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.turns is None) is (self.document is None):
            raise wrong("must have `turns` or `document`, one of the two")
        if sum(len(turn.text) for turn in self.said) > MOST_CHARACTERS:
            raise wrong(f"must have at most {MOST_CHARACTERS} characters of text: send it in parts")
        return self

    @property
    def said(self) -> Sequence[Turn]:
        if self.document is not None:
            return (Turn("", "tool", self.document.text, self.document.title),)
        return [Turn(each.agent, each.role, each.text, each.context) for each in self.turns or ()]

    @property
    def kind_of_all(self) -> Kind:
        return self.kind or ("dialogue" if self.document is None else "document")

    def whose(self, caller: Caller, now: datetime) -> Whose:
        until = None if self.expires_seconds is None else now + timedelta(seconds=self.expires_seconds)
        return Whose(caller.id, self.session, _moment(now), None if until is None else _moment(until))

    def sources(self, scenes: Sequence[Scene]) -> Sequence[Source]:
        """The texts that these were made from."""
        used = {span.source for scene in scenes for span in scene.source}
        sources = {(hash_of(turn.text), turn.trust): turn.text for turn in self.said}
        return [Source(name, text, trust) for (name, trust), text in sources.items() if name in used]


class WantedSearch(Settings):
    """What is looked for."""

    query: Annotated[str, Field(min_length=1, max_length=MOST_QUESTION_CHARACTERS)] = Field(
        description="a text of any form, such as a question"
    )
    session: Session | None = Field(default=None, description="null looks into all of the key's")
    kinds: Annotated[tuple[Kind, ...], Field(max_length=16)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = 10
    budget_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="how many tokens the scenes may have together, as they were said; those that do not fit are left out",
    )
    superseded: bool = Field(
        default=False, description="whether those are found that others took the place of"
    )

    def by(self, caller: Caller) -> Wanted:
        kinds = None if self.kinds is None else frozenset(self.kinds)
        return Wanted(
            caller.id,
            self.query,
            self.session,
            limit=self.limit,
            kinds=kinds,
            superseded=self.superseded,
        )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

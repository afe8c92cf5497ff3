"""The settings of scenes: how far prompts may be said in fewer tokens."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from app.config.retrievers import Retriever
from app.config.routing import Name, Share
from app.config.settings import Settings
from app.config.values import Count, EmptyIsNull, File, Flag, FromText, Seconds, expects
from app.contracts import Layer
from scenes.pieces import MOST_TOKENS


class Remember(Settings):
    """What stays of a long conversation in the layer `scenes`, in tokens of four characters."""

    keep_tokens: Annotated[int, Field(ge=0), FromText] = Field(
        default=2000, description="the newest turns, which always stay"
    )
    step_tokens: Annotated[int, Field(ge=200), FromText] = Field(
        default=4000,
        description="how much leaves at once at least: each time costs the upstream's prefix cache once",
    )
    recall_tokens: Annotated[int, Field(ge=MOST_TOKENS), FromText] = Field(
        default=1000, description="what comes back beneath a question at most"
    )
    expires_seconds: Annotated[int, Field(ge=1), FromText] | None = Field(
        default=None,
        description="how long an answer is remembered that `hyperbridge.remember` asks for; null is until it is deleted",
    )


class SceneEncoder(Settings):
    """A model that makes the vectors of scenes that are kept, and of what is asked for."""

    model: Annotated[str, Field(min_length=1), expects("a name of `models`, or upstream/model")] = Field(
        description="what makes the vectors"
    )
    dimensions: Count | None = Field(
        default=None,
        description="how long its vectors shall be, where it can be asked for that; null is its own",
    )
    timeout_seconds: Seconds = Field(
        default=5.0,
        description="how long each request to it may take; then scenes are kept, and found, without vectors",
    )


class Scenes(Settings):
    """The same in fewer tokens."""

    layer: Layer = Field(
        default="shadow",
        description="off; shadow: bytes as they came, what could be saved is measured; safe: less syntax around the same values; codebook: codes for whole phrases as well; scenes: old turns leave a long conversation, and come back where a question needs them; focus: of passages that say they are context, those stay that bear on the question; hyper: whole texts in the tokens that a model has for them; auto: the furthest that `proofs` allow the model, else shadow",
    )
    sample: Share = Field(
        default=0.02, description="the share of the calls that `shadow` measures, when they are on their way"
    )
    tokenizers: Annotated[File | None, EmptyIsNull] = Field(
        default=None,
        description="the folder of the models' vocabularies; null is an estimate, which asks for more before anything is changed",
    )
    vectors: Annotated[File | None, EmptyIsNull] = Field(
        default=None,
        description="the folder of vectors of tokens (`make vectors`), by which scenes and passages are found that mean the same in other words; null is by words alone",
    )
    encoder: SceneEncoder | None = Field(
        default=None,
        description="a model whose vectors the memory has in place of those of `vectors`; null is none",
    )
    least_tokens: Annotated[int, Field(ge=1), FromText] = Field(
        default=40, description="what a part of a prompt must save at least to be changed, in tokens"
    )
    least_share: Share = Field(default=0.1, description="the same as a share of the part's tokens")
    proofs: Annotated[File | None, EmptyIsNull] = Field(
        default=None, description="the file in which `hyperbridge ab` notes what is proved of which model"
    )
    focus_tokens: Annotated[int, Field(ge=1), FromText] = Field(
        default=2000, description="how much of a message's passages stays in the layer `focus`"
    )
    memory: Remember = Field(default=Remember())
    codebooks: Mapping[Name, File] = Field(
        default={}, description="files of reviewed codebooks, by the name that models give them"
    )
    retrievers: Mapping[Name, Retriever] = Field(
        default={}, description="outside sources that a call may name in `hyperbridge.recall`"
    )
    hypertokens: Mapping[Name, File] = Field(
        default={},
        description="files of hypertokens, by the name that the models give them that were trained for them",
    )
    expected_turns: Annotated[int, Field(ge=1, le=1000), FromText] = Field(
        default=8,
        description="how many prompts a conversation is expected to have, in which a codebook must save more than its legend costs",
    )
    strict: Flag = Field(
        default=False,
        description="whether a call that asks for what codes cannot be in, as log probabilities, gets 400 instead of `safe`",
    )
    memo_bytes: Annotated[int, Field(ge=0), FromText] = Field(
        default=16_777_216,
        description="how much is remembered of the parts that were changed, so that each is changed once",
    )

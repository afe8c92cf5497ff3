"""The settings of LoRA adapters that the gateway gives to its vLLM servers."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from app.config.settings import Settings
from app.config.values import Count, EmptyIsNull, File, FromText, Matching, Seconds

CacheSalt: TypeAlias = Literal["key", "none"]
Mixing: TypeAlias = Literal["auto", "together", "apart"]
Folder = Annotated[str, Matching(r"[^\x00-\x1f\x7f]{1,4096}", "a folder's path")]


class Loras(Settings):
    """Adapters of a folder: given to the replicas, proved, and given again when one begins anew."""

    folder: File = Field(
        description="the folder with the adapters, one folder each, named `id` or `id@version`"
    )
    replica_folder: Annotated[Folder | None, EmptyIsNull] = Field(
        default=None, description="the same folder as the servers see it; null is the same path"
    )
    base: Annotated[File | None, EmptyIsNull] = Field(
        default=None,
        description="the folder of the base model, so that adapters for another one are found; null checks without it",
    )
    max_rank: Annotated[Annotated[int, Field(ge=1, le=512)] | None, EmptyIsNull, FromText] = Field(
        default=None, description="the servers' --max-lora-rank; null is not checked"
    )
    least_replicas: Count = Field(
        default=2, description="on how many servers each adapter is in any case, where there are so many"
    )
    calls_a_replica: Annotated[float, Field(strict=True, gt=0, le=100_000), FromText] = Field(
        default=24.0, description="calls of one adapter at once for which it is put on one more server"
    )
    quiesce_seconds: Annotated[Seconds | None, EmptyIsNull] = Field(
        default=30.0,
        description="how long a server gets no calls before it is given an adapter, so that those it has end; null is as long as they take",
    )
    mixing: Mixing = Field(
        default="auto",
        description="whether a server answers calls of the base model and of adapters at once: where it was seen to keep them apart, always, or never",
    )
    load_seconds: Seconds = Field(default=120.0, description="how long a server may take to load an adapter")
    canary_seconds: Seconds = Field(
        default=60.0, description="how long an adapter may take to answer its canary"
    )
    keep_seconds: Annotated[float, Field(ge=0, le=2_592_000), FromText] = Field(
        default=600.0, description="how long the version before stays loaded after a roll, for going back"
    )
    look_seconds: Seconds = Field(
        default=2.0, description="how often the folder and the servers' adapters are looked at"
    )

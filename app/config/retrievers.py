"""The settings of retrievers: outside sources that are asked what bears on a question."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from app.config.databases import store_url
from app.config.settings import Settings
from app.config.values import BaseUrl, Credential, EmptyIsNull, FromText, Seconds, expects, wrong

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)\b")
_PARAMETERS = frozenset(("question", "limit"))


def _query(text: str) -> str:
    named = {*_PARAMETER.findall(text)}
    if "question" not in named:
        raise wrong("must use :question, what is looked for; :limit is how many rows are wanted")
    if named - _PARAMETERS:
        raise wrong(f"knows :question and :limit alone, not :{min(named - _PARAMETERS)}")
    return text


class _Retriever(Settings):
    """What every one has."""

    timeout_seconds: Seconds = Field(
        default=2.0, description="how long it may take; then the call goes on without it"
    )
    limit: Annotated[int, Field(ge=1, le=64), FromText] = Field(
        default=8, description="how many passages it is asked for"
    )
    keys: tuple[str, ...] | None = Field(
        default=None, description="the ids of the keys that may ask it; null is every key"
    )


class HttpRetriever(_Retriever):
    """A service that is asked over HTTP."""

    kind: Literal["http"]
    url: BaseUrl = Field(description="where the question is posted")
    api_key: Annotated[Credential | None, EmptyIsNull] = Field(
        default=None, description="sent as a bearer token"
    )


class SqlRetriever(_Retriever):
    """A query of a database, which is only read."""

    kind: Literal["sql"]
    url: Annotated[SecretStr, AfterValidator(store_url)] = Field(
        description="the database: sqlite:///file or postgresql://user:password@host/name"
    )
    query: Annotated[
        str, Field(max_length=10_000), AfterValidator(_query), expects("a SELECT with :question")
    ] = Field(description="its rows have a column `text`, and may have `title`; the best first")


Retriever = Annotated[HttpRetriever | SqlRetriever, Field(discriminator="kind")]

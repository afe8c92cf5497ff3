"""The operations a client can ask for: what each needs in its body, and where it lives upstream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["string", "array", "object", "text"]
"""What a required member must be; `text` is a string or an array (a prompt may be either)."""

Dialect = Literal["chat", "completions", "responses", "messages", "plain"]
"""How the answer is written, which decides where its content, usage and finish are found."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client can ask a model for.

    `resource` is the path below the upstream's base URL; a `rooted` one is below the server's root instead.
    `asks_usage` says that a stream reports its usage only when `stream_options.include_usage` asks for it,
    `continuable` that another call can go on with a stream that broke.
    """

    name: str
    path: str
    dialect: Dialect
    required: Mapping[str, Kind] = field(default_factory=dict)
    streams: bool = True
    asks_usage: bool = False
    continuable: bool = False
    rooted: bool = False

    @property
    def resource(self) -> str:
        return self.path.removeprefix("/v1")


CHAT = Operation(
    "chat", "/v1/chat/completions", "chat", {"messages": "array"}, asks_usage=True, continuable=True
)
COMPLETIONS = Operation(
    "completions", "/v1/completions", "completions", {"prompt": "text"}, asks_usage=True, continuable=True
)
EMBEDDINGS = Operation("embeddings", "/v1/embeddings", "plain", {"input": "text"}, streams=False)
RESPONSES = Operation("responses", "/v1/responses", "responses")
MESSAGES = Operation("messages", "/v1/messages", "messages", {"messages": "array"})
COUNT_TOKENS = Operation(
    "count_tokens", "/v1/messages/count_tokens", "messages", {"messages": "array"}, streams=False
)
RERANK = Operation("rerank", "/v1/rerank", "plain", {"query": "string", "documents": "array"}, streams=False)
TOKENIZE = Operation("tokenize", "/tokenize", "plain", streams=False, rooted=True)
ROUTE = Operation("route", "/v1/route", "plain", streams=False)
"""The dry run, which no upstream sees."""
SCENES = Operation("scenes", "/v1/scenes", "plain", streams=False)
"""The language of scenes and the memory: no upstream sees them either."""
DETOKENIZE = Operation("detokenize", "/detokenize", "plain", {"tokens": "array"}, streams=False, rooted=True)

OPERATIONS: Mapping[str, Operation] = {
    operation.path: operation
    for operation in (
        CHAT,
        COMPLETIONS,
        EMBEDDINGS,
        RESPONSES,
        MESSAGES,
        COUNT_TOKENS,
        RERANK,
        TOKENIZE,
        DETOKENIZE,
    )
}

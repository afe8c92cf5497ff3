"""Rerank, in the shape that vLLM, Jina and Cohere share: documents ordered by their likeness to the query."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from adapters.demo import events, vectors
from adapters.demo.refusals import prompt_tokens, read

_MAX_DOCUMENTS = 1000


class Document(Struct):
    text: str


class Body(Struct):
    query: str
    documents: Annotated[list[str | Document], Meta(max_length=_MAX_DOCUMENTS)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None


_decoder = msgspec.json.Decoder(Body)


def answer(body: bytes, model: str) -> bytes:
    """The best documents first, each with a score from 0 to 1."""
    asked = read(_decoder, body)
    texts = [document if isinstance(document, str) else document.text for document in asked.documents]
    counted = prompt_tokens(asked.query, "query") + sum(prompt_tokens(text, "documents") for text in texts)
    query = vectors.vector(asked.query)
    scores = [_score(vectors.likeness(query, vectors.vector(text))) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: (-scores[index], index))
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores[index]} for index in order[: asked.top_n]
    ]
    if asked.return_documents is not False:
        for result in results:
            result["document"] = {"text": texts[result["index"]]}
    usage = {"prompt_tokens": counted, "total_tokens": counted}
    return events.plain({"id": events.fresh("rerank-"), "model": model, "results": results, "usage": usage})


def _score(likeness: float) -> float:
    return round(min(1.0, max(0.0, likeness)), 6)

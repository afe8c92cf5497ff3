import pytest

from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask

DOCUMENTS = ["The stock market fell", "Cats sleep all day", {"text": "A cat and a dog"}]


async def test_the_likest_document_comes_first():
    results = (await ask("rerank", {"query": "Do cats sleep?", "documents": DOCUMENTS}))["results"]

    assert [result["index"] for result in results] == [1, 2, 0]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert results[0]["document"] == {"text": DOCUMENTS[1]}


async def test_only_so_many_are_given_and_without_their_texts_where_that_is_asked():
    answer = await ask(
        "rerank", {"query": "cats", "documents": DOCUMENTS, "top_n": 1, "return_documents": False}
    )

    assert len(answer["results"]) == 1
    assert "document" not in answer["results"][0]
    assert answer["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"documents": ["a"] * 1001}, "documents"),
        ({"documents": [1]}, "documents[0]"),
        ({"top_n": 0}, "top_n"),
    ],
)
async def test_a_wrong_member_is_named(members, param):
    with pytest.raises(UpstreamRefused) as raised:
        await ask("rerank", {"query": "cats", "documents": DOCUMENTS} | members)

    assert raised.value.param == param

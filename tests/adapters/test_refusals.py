"""What the error answers of many servers mean: whose fault they are, and where the call goes."""

import msgspec
import pytest

from adapters.refusals import refusal, refusal_within
from app.errors import UpstreamFailure
from app.outcomes import counts, meaning


def told(status: int, error: object) -> UpstreamFailure:
    return refusal(status, (), msgspec.json.encode(error))


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        ({"message": "Project `proj_x` does not have access to model `m`", "code": "model_not_found"}, "missing"),
        ({"message": "You don't have access to the model with the specified model ID."}, "missing"),
        ({"message": '"m" requires moderation. Your input was flagged for "violence".', "code": 403}, "content_filter"),
        ({"message": "no", "code": "content_policy_violation"}, "content_filter"),
        ({"message": "Missing scopes: model.request"}, "credential"),
        ({"message": "Your access was terminated"}, "credential"),
    ],
)  # fmt: skip
def test_a_403_is_about_our_key_only_where_it_is_not_about_the_request(error, error_class):
    failure = told(403, {"error": error})

    assert meaning(failure).error_class == error_class
    assert counts(failure) == (error_class == "credential")
    assert "proj_x" not in failure.body().decode()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
        (400, "The decoder prompt (length 20000) is longer than the maximum model length of 4096."),
        (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
        (400, "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it"),
        (500, "Context size has been exceeded."),
        (400, "the input length exceeds the context length"),
        (500, "the input length exceeds the context length"),
        (400, "prompt is too long: 200251 tokens > 199999 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."),
        (400, "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."),
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_the_words_of_many_servers(status, message):
    for error in ({"error": {"message": message}}, {"error": message}, [{"error": {"message": message}}]):
        failure = told(status, error)

        assert meaning(failure).error_class == "context_length"
        assert (failure.status, failure.code) == (422 if status == 422 else 400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("status", "error", "error_class"),
    [
        (400, {"message": "Invalid model: foo", "type": "invalid_model", "code": "1500"}, "missing"),
        (400, {"message": "Model Not Exist", "code": "invalid_request_error"}, "missing"),
        (400, {"message": "foo/bar is not a valid model ID", "code": 400}, "missing"),
        (501, {"message": "not implemented"}, "missing"),
        (400, {"message": "no", "code": "invalid_prompt"}, "content_filter"),
        (400, {"message": "no", "code": "moderation_blocked"}, "content_filter"),
        (400, {"message": "Output blocked by content filtering policy"}, "content_filter"),
        (400, {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}, "content_filter"),
        (400, {"message": "no", "code": "bad", "inner_error": {"code": "content_filter"}}, "content_filter"),
        (429, {"message": "quota", "code": "insufficient_quota"}, "credential"),
        (400, {"message": "Your credit balance is too low to access the API"}, "credential"),
        (400, {"message": "Invalid stop: 'Your credit balance is too low'"}, "client"),
        (429, {"message": "slow down", "code": "rate_limit_exceeded"}, "rate_limit"),
    ],
)
def test_a_refusal_is_known_by_its_code_or_words(status, error, error_class):
    failure = told(status, {"error": error})

    assert meaning(failure).error_class == error_class
    assert counts(failure) == (error_class == "credential")


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        ({"error": {"message": "longer than the model's context length", "code": 400}}, "context_length"),
        ({"error": {"message": "invalid regex", "code": 400}}, "client"),
        ({"object": "error", "message": "invalid regex", "code": 400}, "client"),
        ({"error": {"message": "no"}, "status": 422}, "client"),
        ({"error": {"message": "wait", "code": 429}}, "rate_limit"),
        ({"error": {"message": "down", "code": 503}}, "unreachable"),
        ({"error": {"message": "down", "code": 500}}, "server"),
        ({"error": {"message": "down", "code": True, "status": "400"}}, "server"),
        ({"error": {"message": "down", "code": 1}}, "server"),
        ({"error": "down"}, "server"),
        ([400], "server"),
    ],
)
def test_an_error_in_a_200_means_what_the_status_that_it_names_means(error, error_class):
    failure = refusal_within(msgspec.json.encode(error), "chat", "an error event")

    assert meaning(failure).error_class == error_class

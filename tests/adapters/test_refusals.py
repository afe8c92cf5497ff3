"""What the error answers of many servers mean: whose fault they are, and where the call goes."""

import msgspec
import pytest

from adapters.refusals import refusal
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

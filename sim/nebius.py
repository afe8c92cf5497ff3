"""A fake Nebius Token Factory: dynamic limits with their headers, tiers, a catalogue, FastAPI's errors."""

from collections.abc import Mapping, Sequence
from typing import Any

from sim.framing import Reply
from sim.house import Admitted, as_json, refused
from sim.limits import TIERS, Limits
from sim.seen import Seen
from sim.words import prompt_tokens

MODELS = (
    "twin",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
    "deepseek-ai/DeepSeek-V3",
    "google/gemma-2-27b-it",
    "meta-llama/Meta-Llama-3.1-70B-Instruct",
    "mistralai/Mistral-Large-Instruct-2407",
    "Qwen/Qwen2.5-Coder-32B-Instruct",
    "deepseek-ai/DeepSeek-V4-Flash-0731",
    "google/gemma-3-27b-it",
    "openai/gpt-oss-120b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507",
)
IMAGES = frozenset({"google/gemma-3-27b-it"})
"""Those that take images."""
CREDENTIALS = "Couldn't authenticate. Reason: "
CONTEXT_TOKENS = 131_072
_PAGES = ("/chat/completions", "/completions", "/embeddings", "/rerank", "/responses")
_NEEDED = {
    "/chat/completions": "messages",
    "/completions": "prompt",
    "/embeddings": "input",
    "/responses": "input",
}


class Nebius:
    """One project at Nebius; without a key everyone is let in, without limits nobody is held back."""

    dialect = "nebius"

    def __init__(self, models: Sequence[str] = MODELS, key: str = "", limits: Limits | None = None) -> None:
        self._models = tuple(models)
        self._key = key
        self._limits = limits
        self._metered: set[Seen] = set()

    def page(self, seen: Seen) -> Reply | None:
        if self._key and seen.key != self._key:
            reason = "token is not valid" if seen.key else "token is not present"
            return refused(401, self.dialect, CREDENTIALS + reason)
        page = seen.page.removeprefix("/v1")
        if page not in {"/models", *_PAGES}:
            return refused(404, self.dialect, "Not Found")
        if seen.method != ("GET" if page == "/models" else "POST"):
            return refused(405, self.dialect)
        return self._list(verbose=seen.path.endswith("verbose=true")) if page == "/models" else None

    def _list(self, *, verbose: bool) -> Reply:
        more = {
            "context_length": CONTEXT_TOKENS,
            "pricing": {"prompt": "0.0000002", "completion": "0.0000006"},
            "per_request_limits": None,
        }
        card = {"object": "model", "created": 1700000000, "owned_by": "system"}
        cards = [
            {"id": name, **card, **({**more, **_abilities(name)} if verbose else {})} for name in self._models
        ]
        return as_json({"object": "list", "data": cards})

    def admit(self, seen: Seen, request: Mapping[str, Any], now: float) -> Admitted | Reply:
        faults = _faults(seen.page.removeprefix("/v1"), request)
        if faults:
            return as_json({"detail": faults}, 422)
        name = seen.model.partition("?")[0]
        if name not in self._models:
            return refused(404, self.dialect, f"The model `{name}` does not exist.")
        if self._limits is None:
            return Admitted(envelope={"service_tier": "default"})
        return self._metered_by(self._limits, seen, request, now)

    def _metered_by(
        self, limits: Limits, seen: Seen, request: Mapping[str, Any], now: float
    ) -> Admitted | Reply:
        tier = request.get("service_tier") or "auto"
        verdict = limits.admit(prompt_tokens(request), tier, now)
        headers = limits.headers(now)
        if not verdict.served_as:
            reply = refused(429, self.dialect, "Rate limit exceeded. Please try again later.")
            when = {"retry-after": str(verdict.retry_after_seconds)}
            return Reply(reply.status, reply.kind, reply.body, headers | when)
        if verdict.over_limit:
            headers["x-ratelimit-over-limit"] = "yes"
        if verdict.served_as in {"default", "over-limit"}:
            self._metered.add(seen)
        return Admitted(headers, {"service_tier": verdict.served_as})

    def counted(self, seen: Seen, now: float) -> None:
        if self._limits is not None and seen in self._metered:
            self._metered.discard(seen)
            self._limits.settle(seen.sent_tokens, now)


def _abilities(name: str) -> Mapping[str, Any]:
    takes = "text+image" if name in IMAGES else "text"
    return {"architecture": {"modality": f"{takes}->text"}, "supported_features": ["tools", "json_mode"]}


def _faults(page: str, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What FastAPI finds wrong, all of it at once, with what it found repeated."""
    faults = [
        {"type": "missing", "loc": ["body", name], "msg": "Field required", "input": request}
        for name in ("model", _NEEDED.get(page, "model"))
        if name not in request
    ]
    tier = request.get("service_tier")
    if tier is not None and tier not in TIERS:
        wanted = ", ".join(f"'{each}'" for each in TIERS[:-1]) + f" or '{TIERS[-1]}'"
        faults.append({
            "type": "literal_error",
            "loc": ["body", "service_tier"],
            "msg": f"Input should be {wanted}",
            "input": tier,
        })
    return faults

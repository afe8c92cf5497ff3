"""Record what a real vLLM answers, for the tests of fidelity: `.venv/bin/python -m tests.vllm.record`."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.gateway import RECORDED
from tests.vllm.server import make_models, running

QUESTION = [{"role": "user", "content": "Say it again, Sam."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_price",
        "parameters": {
            "type": "object",
            "properties": {"symbol": {"enum": ["BTC", "ETH"]}},
            "required": ["symbol"],
        },
    },
}
CHAT = "/v1/chat/completions"
SCHEMA = {"type": "object", "properties": {"side": {"enum": ["long", "short"]}}, "required": ["side"]}

ASKED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "plain": (CHAT, {}),
    "n2": (CHAT, {"n": 2, "temperature": 1.0, "seed": 7}),
    "logprobs": (CHAT, {"logprobs": True, "top_logprobs": 2}),
    "thinking": (CHAT, {"chat_template_kwargs": {"enable_thinking": True}}),
    "tools": (CHAT, {"tools": [TOOL], "tool_choice": "required", "max_tokens": 60}),
    "structured": (
        CHAT,
        {"response_format": {"type": "json_schema", "json_schema": {"name": "trade", "schema": SCHEMA}}},
    ),
    "completions-echo": ("/v1/completions", {"prompt": "Once", "echo": True, "logprobs": 1}),
    "responses": ("/v1/responses", {"input": "Once", "max_output_tokens": 12}),
    "messages": ("/v1/messages", {}),
}
STREAM: Mapping[str, dict[str, Any]] = {
    CHAT: {"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    "/v1/completions": {"stream_options": {"include_usage": True}},
}


def record(url: str, folder: Path) -> None:
    """Ask everything twice, whole and streamed, and keep the bytes."""
    for name, (path, more) in ASKED.items():
        body = {"model": "base", "max_tokens": 12, "temperature": 0, **more}
        if path in {CHAT, "/v1/messages"}:
            body["messages"] = QUESTION
        whole = httpx.post(url + path, json=body, timeout=60).raise_for_status()
        (folder / f"{name}.json").write_bytes(whole.content)
        streamed = httpx.post(url + path, json=body | {"stream": True} | STREAM.get(path, {}), timeout=60)
        (folder / f"{name}.sse").write_bytes(streamed.raise_for_status().content)


if __name__ == "__main__":
    target = RECORDED / "vllm"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as models:
        make_models(Path(models))
        with running(Path(models)) as server:
            record(server.url, target)

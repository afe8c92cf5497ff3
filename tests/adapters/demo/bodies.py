"""A good request of every operation, with the members that it may have."""

from typing import Any

from tests.adapters.demo.asking import function

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SHAPE = {"name": "place", "schema": PLACE}

GOOD: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "demo",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "The weather in Paris?"}]},
            {
                "role": "assistant",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "sunny"},
            {"role": "user", "content": "The weather in Rome?"},
        ],
        "temperature": 0.5,
        "top_p": 0.5,
        "n": 2,
        "stop": ["\n"],
        "max_completion_tokens": 99,
        "logit_bias": {"1": 2},
        "tools": [function("get_weather", city={"type": "string"})],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": SHAPE},
        "logprobs": True,
        "top_logprobs": 2,
        "reasoning_effort": "low",
        "chat_template_kwargs": {"enable_thinking": True},
    },
    "completions": {"prompt": ["Once", "Twice"], "max_tokens": 9, "n": 2, "echo": True, "logprobs": 2},
    "embeddings": {"input": ["one", "two"], "dimensions": 8, "encoding_format": "base64"},
    "responses": {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "The weather in Paris?"}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "sunny"},
            {"role": "user", "content": "The weather in Rome?"},
        ],
        "instructions": "Be short.",
        "tools": [{"type": "function", "name": "get_weather", "parameters": PLACE}],
        "tool_choice": {"type": "function", "name": "get_weather"},
        "text": {"format": {"type": "json_schema", **SHAPE}},
        "reasoning": {"effort": "low"},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    },
    "messages": {
        "max_tokens": 99,
        "system": [{"type": "text", "text": "Be short."}],
        "messages": [
            {"role": "user", "content": "The weather in Paris?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sunny"}]},
        ],
        "tools": [{"name": "get_weather", "input_schema": PLACE}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"format": {"type": "json_schema", "schema": PLACE}},
        "stop_sequences": ["\n"],
    },
    "count_tokens": {"messages": [{"role": "user", "content": "Hello"}], "system": "Be short."},
    "rerank": {"query": "cats", "documents": ["a cat", {"text": "a dog"}], "top_n": 1},
    "tokenize": {"prompt": "Hello", "return_token_strs": True},
    "detokenize": {"tokens": [353]},
}
STREAMING = ("chat", "completions", "responses", "messages")

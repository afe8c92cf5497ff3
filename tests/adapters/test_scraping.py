"""What is read of vLLM's metrics."""

import pytest

from adapters.scraping import Told, told

LABELS = 'engine="0",model_name="base"'
PAGE = f"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{{LABELS}}} 3.0
vllm:num_requests_waiting{{{LABELS}}} 2.0
vllm:num_requests_waiting_by_reason{{{LABELS},reason="deferred"}} 2.0
vllm:kv_cache_usage_perc{{{LABELS}}} 0.25
vllm:lora_requests_info{{max_lora="2",running_lora_adapters="a@1,b@2",waiting_lora_adapters=""}} 1.7e+09
vllm:lora_requests_info{{max_lora="2",running_lora_adapters="c@3",waiting_lora_adapters="d@4"}} 1.8e+09
"""


def test_load_memory_and_the_adapters_of_now_are_read():
    assert told(PAGE.encode()) == Told(0.25, 5, frozenset({"c@3", "d@4"}))


@pytest.mark.parametrize("page", [b"", b"<html>", b"up 1", b"vllm:num_requests_running{} x"])
def test_a_page_of_something_else_is_none(page):
    assert told(page) is None

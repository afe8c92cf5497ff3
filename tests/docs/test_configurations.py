"""Every configuration that a page shows is one."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from app import config
from tests.docs.pages import PAGES, README, Fence, fences
from tests.support.gateway import gateway_of

SHOWN = [fence for page in PAGES for fence in fences(page, "yaml")]


def environment(text: str) -> dict[str, str]:
    """A value for each variable that a configuration names."""
    return {
        name: sha256(name.encode()).hexdigest() if name.endswith("SHA256") else f"value-of-{name}"
        for name in re.findall(r"\$\{(\w+)", text)
    }


@pytest.mark.parametrize("fence", SHOWN, ids=str)
def test_a_configuration_that_is_shown_loads(fence: Fence, tmp_path: Path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(fence.text, "utf-8")

    loaded = config.load(path, environment(fence.text))

    assert [warning for warning in loaded.warnings if "no such file yet" not in warning] == []


async def test_the_readme_s_alias_leads_where_the_configuration_says(upstream, client, tmp_path):
    shown = next(fence.text for fence in fences(README, "yaml") if "trading-analysis" in fence.text)
    twin, url = upstream
    asked = {"model": "trading-analysis", "messages": [], "temperature": 0}
    moved = shown.replace(
        "upstream: nebius\n    model: deepseek-ai/DeepSeek-V4.1-Flash",
        "upstream: local\n    model: risk-lora",
    )
    assert moved != shown

    for text in (shown, moved):
        yaml = text.replace("kind: nebius", f"kind: nebius\n    url: {url}")
        yaml = re.sub(r"replicas: \[.*\]", f"replicas: [{url}]", yaml)
        async with gateway_of(yaml, tmp_path, environment(text)) as gateway:
            answer = await client.post(f"{gateway.url}/v1/chat/completions", json=asked)
            assert answer.status_code == 200

    sent = [seen.json() for seen in twin.seen if seen.method == "POST"]
    assert [each["model"] for each in sent] == ["deepseek-ai/DeepSeek-V4.1-Flash", "risk-lora"]
    assert all((each["max_tokens"], each["temperature"]) == (800, 0) for each in sent)

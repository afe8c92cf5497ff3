"""The catalogue: its facts, and names as servers write them."""

import re
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import price_table
from app.routing import catalogue
from app.routing.catalogue import TASKS, Entry

SHIPPED = catalogue.shipped()
BY_ID = {entry.id: entry for entry in SHIPPED.entries}

GIVEN = {
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": (4, 4),
    "Qwen/Qwen2.5-Coder-32B-Instruct": (5, 3),
    "meta-llama/Meta-Llama-3.1-70B-Instruct": (3, 4),
    "mistralai/Mistral-Large-Instruct-2407": (2, 5),
    "google/gemma-2-27b-it": (5, 3),
    "deepseek-ai/DeepSeek-V3": (1, 5),
}
QWEN = [
    *(f"Qwen/Qwen2.5-{size}B-Instruct" for size in ("0.5", "1.5", "3", "7", "14", "32", "72")),
    *(f"Qwen/Qwen2.5-Coder-{size}B-Instruct" for size in ("1.5", "3", "7", "14", "32")),
    *(f"Qwen/Qwen2.5-Math-{size}B-Instruct" for size in ("1.5", "7", "72")),
    *(f"Qwen/Qwen2.5-VL-{size}B-Instruct" for size in ("3", "7", "32", "72")),
    *(f"Qwen/Qwen3-{size}B" for size in ("0.6", "1.7", "4", "8", "14", "32")),
    "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-235B-A22B",
]
NAMES = {
    "Qwen/Qwen2.5-7B-Instruct": [
        "qwen/qwen2.5-7b-instruct",
        "qwen2.5:7b",
        "qwen2.5:7b-instruct",
        "qwen2.5:7b-instruct-q4_K_M",
        "Qwen2.5-7B",
        "Qwen/Qwen2.5-7B-Instruct-AWQ",
        "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4",
        "bartowski/Qwen2.5-7B-Instruct-GGUF",
        "hf.co/bartowski/Qwen2.5-7B-Instruct-GGUF:Q4_K_M",
        "unsloth/Qwen2.5-7B-Instruct-bnb-4bit",
        "mlx-community/Qwen2.5-7B-Instruct-4bit",
        "Qwen2.5-7B-Instruct-Q4_K_M.gguf",
        "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf",
    ],
    "Qwen/Qwen2.5-Coder-32B-Instruct": [
        "qwen2.5-coder:32b",
        "Qwen/Qwen2.5-Coder-32B-Instruct-fast",
        "Qwen/Qwen2.5-Coder-32B-Instruct-GPTQ-Int8",
    ],
    "Qwen/Qwen2.5-VL-7B-Instruct": ["qwen2.5vl:7b", "Qwen/Qwen2.5-VL-7B-Instruct-AWQ"],
    "Qwen/Qwen3-8B": [
        "qwen3:8b",
        "Qwen/Qwen3-8B-FP8",
        "unsloth/Qwen3-8B-unsloth-bnb-4bit",
        "bartowski/Qwen_Qwen3-8B-GGUF",
        "mlx-community/Qwen3-8B-4bit-DWQ",
    ],
    "Qwen/Qwen3-30B-A3B-Instruct-2507": ["qwen3:30b-a3b-instruct-2507-q8_0", "Qwen/Qwen3-30B-A3B-Instruct-2507-FP8"],
    "meta-llama/Meta-Llama-3.1-70B-Instruct": [
        "llama3.1:70b",
        "llama3.1:70b-instruct-q4_0",
        "meta-llama/Llama-3.1-70B-Instruct",
        "neuralmagic/Meta-Llama-3.1-70B-Instruct-quantized.w4a16",
        "hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4",
    ],
    "meta-llama/Meta-Llama-3.1-8B-Instruct": [
        "llama3.1:8b",
        "meta-llama/Meta-Llama-3.1-8B-Instruct-fast",
        "meta-llama/Meta-Llama-3.1-8B-Instruct-LoRa:mine-udpd",
    ],
    "meta-llama/Llama-3.3-70B-Instruct": ["RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "llama3.3:70b"],
    "google/gemma-2-27b-it": ["gemma2:27b", "gemma2:27b-instruct-q5_K_M", "google/gemma-2-27b-it-fast"],
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": ["deepseek-r1:70b", "unsloth/DeepSeek-R1-Distill-Llama-70B-GGUF"],
    "deepseek-ai/DeepSeek-V3": ["deepseek-v3:671b", "deepseek-ai/DeepSeek-V3-fast"],
    "deepseek-ai/DeepSeek-V3-0324": ["deepseek-ai/DeepSeek-V3-0324-fast"],
    "openai/gpt-oss-20b": ["gpt-oss:20b", "unsloth/gpt-oss-20b-GGUF", "openai/gpt-oss-20b:free"],
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B": ["nvidia/nemotron-3-nano-30b-a3b", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8"],
}  # fmt: skip
STRANGERS = [
    "",
    "/",
    ":",
    "twin",
    "demo",
    "poet",
    "Qwen",
    "qwen2.5",
    "qwen2.5:latest",
    "Qwen/Qwen2.5-7B",
    "Qwen/Qwen2.5-9B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct-1M",
    "Qwen/Qwen3-8B-Base",
    "Qwen/Qwen3-VL-2B-Instruct",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "NousResearch/Hermes-2-Theta-Llama-3-8B",
    "meta-llama/Llama-3-70B-Instruct",
    "meta-llama/Llama-2-70b-chat-hf",
    "someone/Qwen2.5-7B-Instruct-abliterated",
    "google/gemma-22-7b-it",
    "someone/Qwen3-8B-русский",
]


@pytest.mark.parametrize(
    ("own", "name"), [(own, name) for own, names in NAMES.items() for name in (own, *names)]
)
def test_a_model_is_found_by_what_servers_call_it(own, name):
    found = SHIPPED.find(name)

    assert found is not None
    assert found.id == own


@pytest.mark.parametrize("name", STRANGERS)
def test_another_model_is_never_taken_for_one_that_is_known(name):
    assert SHIPPED.find(name) is None


def test_no_name_leads_to_two_models():
    names = [name for entry in SHIPPED.entries for name in (entry.id, *entry.also)]
    labels = Counter(catalogue._uninstructed(catalogue._label(catalogue._words(name))) for name in names)

    assert not [label for label, times in labels.items() if times > 1]


@given(
    st.sampled_from(list(BY_ID)),
    st.sampled_from(["-AWQ", "-GPTQ-Int4", "-FP8", "-fast", ":latest", ".gguf", "-Q6_K"]),
)
def test_how_a_model_is_packed_does_not_change_what_it_is(id, build):  # noqa: A002
    assert SHIPPED.find(id.upper() + build) is BY_ID[id]


@given(st.text(max_size=300))
def test_every_text_has_an_answer(name):
    found = SHIPPED.find(name)

    assert found is None or set(re.findall(r"\d+", found.id)) or found.also


def test_the_six_models_that_nebius_began_with_have_the_scores_given():
    assert {id: (BY_ID[id].speed, BY_ID[id].quality) for id in GIVEN} == GIVEN  # noqa: A001


@pytest.mark.parametrize(
    ("task", "best"),
    [
        ("code", "Qwen/Qwen2.5-Coder-32B-Instruct"),
        ("quick", "google/gemma-2-27b-it"),
        ("analysis", "deepseek-ai/DeepSeek-V3"),
        ("reasoning", "deepseek-ai/DeepSeek-V3"),
    ],
)
def test_of_those_six_each_task_has_the_one_that_is_meant_for_it(task, best):
    assert max(GIVEN, key=lambda id: BY_ID[id].strengths.get(task, 0)) == best  # noqa: A006


@pytest.mark.parametrize(
    ("task", "family"), [("code", "qwen2.5-coder"), ("maths", "qwen2.5-math"), ("vision", "qwen2.5-vl")]
)
def test_of_equal_size_the_qwen_made_for_a_task_is_the_best_at_it(task, family):
    for entry in SHIPPED.entries:
        if entry.family == "qwen2.5":
            size = entry.id.removeprefix("Qwen/Qwen2.5")
            special = [each for each in SHIPPED.entries if each.family == family and each.id.endswith(size)]
            assert all(each.strengths[task] > entry.strengths.get(task, 0) for each in special)


def test_all_qwens_for_local_serving_are_known_with_their_sizes_and_contexts():
    for id in QWEN:  # noqa: A001
        entry = BY_ID[id]
        written = re.search(r"-(\d+(?:\.\d+)?)B", id)
        assert written is not None
        assert entry.parameters_billion == pytest.approx(float(written[1]), rel=0.25)
        assert entry.context_tokens == (4096 if "Math" in id else 40960 if "Qwen3" in id else 32768)


def test_every_task_has_models_and_every_entry_is_good_at_something():
    assert all(any(entry.strengths.get(task, 0) >= 4.5 for entry in SHIPPED.entries) for task in TASKS)
    assert all(entry.strengths for entry in SHIPPED.entries)
    assert all(("vision" in entry.strengths) == ("image" in entry.modalities) for entry in SHIPPED.entries)


def test_the_models_with_a_price_are_in_the_catalogue():
    assert set(price_table.read(price_table.SHIPPED).prices) <= set(BY_ID)


def test_what_is_gone_has_a_successor_that_is_there():
    for entry in SHIPPED.entries:
        assert (entry.retired is None) == (entry.successor is None)
        assert not (entry.hosted and entry.retired)
        if entry.successor is not None:
            after = SHIPPED.successor(entry.id)
            assert after is not None
            assert after.hosted


def test_the_first_successor_that_is_still_there_is_named():
    gone = {
        "retired": "2026-01-01",
        "speed": 1,
        "quality": 1,
        "context_tokens": 1,
        "strengths": {},
        "family": "x",
    }
    names = msgspec.convert(
        [
            gone | {"id": "o/one-1", "successor": "o/two-2"},
            gone | {"id": "o/two-2", "successor": "o/three-3"},
            gone | {"id": "o/three-3", "retired": None},
        ],
        list[Entry],
    )
    after = catalogue.Catalogue(names).successor("o/one-1")

    assert after is names[2]
    assert catalogue.Catalogue(names[:2]).successor("o/one-1") is None
    assert catalogue.Catalogue(names).successor("unknown") is None


@pytest.mark.parametrize(
    "member", ["speed: 6", "unknown: 1", "strengths: {poetry: 3}", "strengths: {chat: 7}"]
)
def test_a_file_that_is_not_as_it_should_be_is_refused(tmp_path, member):
    file = tmp_path / "models.yaml"
    given = {"id": "a", "family": "a", "speed": "1", "quality": "1", "context_tokens": "1", "strengths": "{}"}
    lines = given | {member.partition(":")[0]: member.partition(": ")[2]}
    file.write_text(
        "version: 2026-01-01\nmodels:\n  - "
        + "\n    ".join(f"{name}: {value}" for name, value in lines.items())
    )

    with pytest.raises(msgspec.ValidationError):
        catalogue.read(file)

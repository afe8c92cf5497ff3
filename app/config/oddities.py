"""What a valid file may hold, but probably not on purpose."""

import itertools
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TypeAlias
from urllib.parse import urlsplit

from app.allowance import UNBOUNDED
from app.config.document import Document
from app.config.faults import Fault
from app.config.schema import ALL_MODELS, Sections
from app.config.upstreams import HTTP_KINDS, Embedded, Nebius, OpenAI, Vllm
from app.config.values import host_of, is_loopback
from app.yaml_source import Path

Oddity: TypeAlias = tuple[Path, str]


def oddities(sections: Sections, document: Document) -> Iterator[Fault]:
    found = itertools.chain(
        _idle_keys(sections),
        _unusual_urls(sections),
        _written_secrets(sections, document),
        _written_passwords(sections, document),
        _plain_transport(sections),
        _absent_files(sections),
        _copies(sections),
        _divided_limits(sections),
        _rules_without_effect(sections),
        _modes_without_models(sections),
    )
    return itertools.starmap(document.fault, found)


def _idle_keys(sections: Sections) -> Iterator[Oddity]:
    for index, key in enumerate(sections.keys):
        if not key.models:
            yield ("keys", index, "models"), 'this key may use no model; list some, or ["*"] for all'
        elif ALL_MODELS in key.models and len(key.models) > 1:
            yield ("keys", index, "models"), '"*" allows every model; the other names change nothing'


def _http(sections: Sections) -> Iterator[tuple[Path, Nebius | Vllm | OpenAI]]:
    for name, upstream in sections.upstreams.items():
        if isinstance(upstream, HTTP_KINDS):
            yield ("upstreams", name), upstream


def _unusual_urls(sections: Sections) -> Iterator[Oddity]:
    for path, upstream in _http(sections):
        for index, base in enumerate(upstream.bases):
            place: Path = ("replicas", index) if isinstance(upstream, Vllm) else ("url",)
            if base in upstream.bases[:index]:
                yield (*path, *place), "is listed twice; it counts once"
            if not base.endswith("/v1") or base.endswith("/v1/v1"):
                yield (*path, *place), "does not end in one /v1, as the base of an OpenAI API usually does"


def _written_secrets(sections: Sections, document: Document) -> Iterator[Oddity]:
    for path, upstream in _http(sections):
        place = (*path, "api_key")
        if upstream.api_key is not None and place not in document.hidden:
            yield place, "is written in the file; ${NAME} would keep the key out of it"


def _written_passwords(sections: Sections, document: Document) -> Iterator[Oddity]:
    for path, url in ((("redis", "url"), sections.redis.url), (("store", "url"), sections.store.url)):
        if url is not None and urlsplit(url.get_secret_value()).password and path not in document.hidden:
            yield path, "holds a password that is written in the file; ${NAME} would keep it out of there"


def _plain_transport(sections: Sections) -> Iterator[Oddity]:
    for path, upstream in _http(sections):
        if not isinstance(upstream, Nebius):
            continue
        if upstream.url.startswith("http://") and not is_loopback(host_of(upstream.url)):
            yield (*path, "url"), "is not encrypted, so the key can be read on its way; use https"


def _absent_files(sections: Sections) -> Iterator[Oddity]:
    for path, file in _files(sections):
        if not file.is_file():
            yield path, "there is no such file yet"
    log = sections.logs.file
    if log is not None and not log.parent.is_dir():
        yield ("logs", "file"), "its folder does not exist yet"


def _files(sections: Sections) -> Iterator[tuple[Path, FilePath]]:
    for path, http in _http(sections):
        if http.ca_file is not None:
            yield (*path, "ca_file"), http.ca_file
    for name, upstream in sections.upstreams.items():
        if isinstance(upstream, Embedded):
            yield ("upstreams", name, "model"), upstream.model
            for lora in upstream.loras:
                yield ("upstreams", name, "loras", lora, "path"), upstream.loras[lora].path


def _copies(sections: Sections) -> Iterator[Oddity]:
    for name, upstream in sections.upstreams.items():
        if isinstance(upstream, Embedded) and sections.server.workers > 1:
            yield ("upstreams", name), f"each of the {sections.server.workers} workers loads its own copy"


def _divided_limits(sections: Sections) -> Iterator[Oddity]:
    limited = sections.limits.rules or any(key.limits.allowance != UNBOUNDED for key in sections.keys)
    if limited and sections.redis.url is None and sections.server.workers > 1:
        yield (
            ("limits",),
            f"each of the {sections.server.workers} workers has its part of every limit; redis.url counts them together",
        )


def _rules_without_effect(sections: Sections) -> Iterator[Oddity]:
    rules = sections.router.rules
    for index, rule in enumerate(rules):
        when = rule.when
        place: Path = ("router", "rules", index, "when")
        earlier = next((at for at in range(index) if rules[at].when == when), None)
        if earlier is not None:
            yield place, f"is as in router.rules[{earlier}], which is asked before: this rule changes nothing"
        if (
            when.least_tokens is not None
            and when.most_tokens is not None
            and when.least_tokens > when.most_tokens
        ):
            yield place, "fits no request: least_tokens is more than most_tokens"


def _modes_without_models(sections: Sections) -> Iterator[Oddity]:
    for name, mode in sections.modes.items():
        if mode.models is not None and not mode.models:
            yield (
                ("modes", name, "models"),
                "no model may answer in this mode; null is every name of `models`",
            )

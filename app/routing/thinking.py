"""Whether a model shall think before it answers: one wish, said as each upstream and each model hears it. Pure.

vLLM 0.33, Nebius and llama.cpp hand `chat_template_kwargs` to the model's template, where what it does not know is
harmless. Ollama hears `reasoning_effort` alone (ollama/ollama#14820), OpenAI does so, too, and refuses other members.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from app.contracts import Call, Route, Thinking
from app.errors import BadRequest
from app.operations import Dialect
from app.wire import Members, Request

KWARGS = "chat_template_kwargs"
EFFORT = "reasoning_effort"

Outcome: TypeAlias = Literal["", "on", "off", "least", "asked", "unsupported"]
"""What the client is told: it thinks, it does not, it thinks as little as it can, it was asked and may not hear it, it
cannot do what was wished; "" where nothing was wished, or the client has told the model by itself.
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is told: members of its template and their values, or how much effort to take; and what comes of it.

    Where neither is set there is nothing to say.
    """

    outcome: Outcome
    switches: Mapping[str, bytes] = field(default_factory=dict)
    effort: str = ""

    def members(self, request: Request, defaults: Mapping[str, bytes]) -> dict[str, bytes]:
        """The members to set. What the client has in the same object stays; it stands above the `defaults`."""
        members: dict[str, bytes] = {}
        if self.effort:
            members[EFFORT] = msgspec.json.encode(self.effort)
        if self.switches:
            given = _given(request.members, KWARGS) or defaults.get(KWARGS, b"{}")
            members[KWARGS] = Members.of(given).replaced(self.switches)
        return members


SILENT = Way("")
UNSUPPORTED = Way("unsupported")


@dataclass(frozen=True, slots=True)
class Family:
    """Models that are told in the same way."""

    on: Way
    off: Way


def _templates(*names: str, outcomes: tuple[Outcome, Outcome] = ("on", "off")) -> Family:
    """Those whose template knows one of these."""
    on, off = outcomes
    return Family(Way(on, dict.fromkeys(names, b"true")), Way(off, dict.fromkeys(names, b"false")))


_EITHER = ("thinking", "enable_thinking")

FAMILIES: Mapping[str, Family] = {
    "enable_thinking": _templates("enable_thinking"),
    "thinking": _templates(*_EITHER),  # vLLM's parsers of these read the one or the other
    "thinking_mode": Family(  # the first word is in vLLM's parser, the second one MiniMax' own
        Way("on", {"thinking_mode": b'"enabled"'}), Way("asked", {"thinking_mode": b'"disabled"'})
    ),
    "always": Family(Way("on"), UNSUPPORTED),
    "never": Family(UNSUPPORTED, Way("off")),
    "prompt": Family(UNSUPPORTED, UNSUPPORTED),  # told by words of the system's text
    "effort": Family(Way("on", effort="medium"), Way("off", effort="none")),
    "low": Family(Way("on"), Way("least", effort="low")),
    "minimal": Family(Way("on"), Way("least", effort="minimal")),
    "": _templates(*_EITHER, outcomes=("asked", "asked")),
}
"""By name; "" is every model that is not known."""

_DAY = r"(-\d{4}-\d\d-\d\d)?$"
_NAMES: Sequence[tuple[str, str]] = (
    ("prompt", r"llama-?3.*nemotron|nemotron-nano-(9b|12b)-v2|deephermes"),
    ("enable_thinking", r"nemotron-3|cogito"),
    ("thinking_mode", r"minimax-m3"),
    ("low", rf"gpt-oss|(^|/)o(1|3|3-mini|4-mini){_DAY}"),
    ("minimal", rf"(^|/)gpt-5(-mini|-nano)?{_DAY}"),
    ("effort", rf"(^|/)gpt-5\.[1-9](-mini|-nano)?{_DAY}"),
    ("always", r"deepseek-?r1|r1-distill|deepseek-reasoner|qwq|magistral|minimax-m[12](?!\d)|exaone-deep"),
    ("always", r"phi-?4.*reasoning|(?<!non-)(?<!no-)\bthinking"),
    ("thinking", r"deepseek-v(3[._][1-9]|[4-9])|kimi-k(2[._][5-9]|[3-9])|granite-?3[._][23]|hermes-?4"),
    (
        "never",
        r"qwen-?3.*instruct|qwen-?3-coder|qwen-?[12](?!\d)|kimi-k2-(instruct|0711|0905)|deepseek-(v2|coder)",
    ),
    (
        "never",
        r"deepseek-v3(-0324|(?![._]\d))|llama-?[234](?!\d)|gemma-?[123](?!\d)|phi-?3|hermes-?[23](?!\d)",
    ),
    ("never", r"mixtral|mistral-(7b|nemo|large-instruct-24)|codestral|smollm2|(^|/)gpt-(3\.5|4)"),
    (
        "enable_thinking",
        r"qwen-?[3-9](?!\d)|(?<!chat)glm-?(4[._][5-9]|[5-9])|smollm3|gemma-?4|mimo|exaone-?4|hunyuan-a13b",
    ),
    ("enable_thinking", r"minicpm(-v)?-?4[._][15]"),
)
"""The first that is found in a model's name says its family: what a model was made of may stand in its name, too."""

_PATTERNS = [(name, re.compile(pattern)) for name, pattern in _NAMES]

_TEMPLATES: Mapping[str, frozenset[Dialect]] = {
    "nebius": frozenset({"chat"}),
    "vllm": frozenset({"chat", "responses", "messages"}),
    "embedded": frozenset({"chat", "responses", "messages"}),
    "demo": frozenset({"chat"}),
}
"""The kinds of upstream whose templates can be told, and the dialects in which they can."""

_DECISIVE = ("reasoning", "thinking", "think", "enable_thinking")
"""Other members by which clients tell a model to think, or not to."""


@lru_cache(maxsize=1024)
def family(model: str) -> str:
    """The family of a model by its name, one of `FAMILIES`."""
    lowered = model.lower()
    return next((name for name, pattern in _PATTERNS if pattern.search(lowered)), "")


def way_of(call: Call, route: Route, kind: str) -> Way:
    """How an upstream of this kind is told what is wished: by the client, or else by the configuration.

    A `reasoning_effort` of the client's is a wish in its own words: it stays, and a template that does not hear it is
    told beside it. Whatever else the client has told the model stands alone.
    """
    members = call.request.members
    effort = _given(members, EFFORT)
    wish: Thinking = call.wishes.thinking or route.thinking
    if effort is not None:
        wish = "off" if effort == b'"none"' else "on"
    if wish == "auto" or not call.operation.streams or _decided(members):
        return SILENT
    own = "enable_thinking" if kind == "demo" else family(route.model)
    way = way_to(wish, kind, own, call.operation.dialect)
    if effort is None:
        return way
    return SILENT if not own or (way.effort and not way.switches) else replace(way, effort="")


def way_to(wish: Literal["on", "off"], kind: str, family: str, dialect: Dialect = "chat") -> Way:
    """How a family is told so by an upstream of this kind, in this dialect."""
    way = FAMILIES[family].on if wish == "on" else FAMILIES[family].off
    told = bool(way.switches or way.effort)
    if kind in _TEMPLATES:
        heard = dialect in _TEMPLATES[kind] and (dialect == "chat" or not way.effort)
    else:
        heard = dialect == "chat" and bool(family)
    if told and not heard:
        return UNSUPPORTED
    if kind not in _TEMPLATES and way.switches and wish == "off":
        return replace(way, effort="none")
    return way


def _given(members: Members, name: str) -> bytes | None:
    raw = members.raw(name)
    return None if raw == b"null" else raw


def _decided(members: Members) -> bool:
    """Whether the client has told the model by itself."""
    if any(_given(members, name) is not None for name in _DECISIVE):
        return True
    given = _given(members, KWARGS)
    if given is None:
        return False
    try:
        return any(map(Members.of(given).has, (*_EITHER, "thinking_mode")))
    except BadRequest:  # no object, or one that names a member twice: the upstream's to refuse
        return True

"""A fake vLLM with one base model and many LoRA adapters: administration, metrics, and errors with numbers."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from sim.framing import Reply
from sim.house import Admitted, as_json
from sim.seen import Seen
from sim.words import prompt_tokens

VERSION = "0.33.0"
MAX_LORAS = 4
CONTEXT_TOKENS = 32_768
_TEXT = "text/plain; charset=utf-8"
_GUARDED = "/v1/"
"""vLLM asks for its key here only."""


class Vllm:
    """One replica. `unfit` are adapters that it answers a 500 for, as vLLM does where one has too high a rank; `takes` says whether
    it takes any while it runs (VLLM_ALLOW_RUNTIME_LORA_UPDATING).
    """

    dialect = "vllm"

    def __init__(self, models: Sequence[str] = ("twin",), loras: Sequence[str] = (), key: str = "") -> None:
        self._models = tuple(models)
        self._loras = {name: f"/loras/{name}" for name in loras}
        self._key = key
        self.unfit: set[str] = set()
        self.takes = True
        self._running: set[Seen] = set()
        self._totals = {"prompt_tokens": 0, "generation_tokens": 0, "request_success": 0}

    @property
    def loras(self) -> Mapping[str, str]:
        """Its adapters, and the paths that it was given for them."""
        return self._loras

    def begin_anew(self) -> None:
        """As after a restart: without what it was given while it ran."""
        self._loras.clear()

    def page(self, seen: Seen) -> Reply | None:
        if seen.page.startswith(_GUARDED) and self._key and seen.key != self._key:
            return as_json({"error": "Unauthorized"}, 401)
        pages = {
            ("GET", "/health"): lambda: Reply(200, _TEXT, b""),
            ("GET", "/version"): lambda: as_json({"version": VERSION}),
            ("GET", "/metrics"): lambda: Reply(200, _TEXT, self._metrics().encode()),
            ("GET", "/v1/models"): lambda: as_json({"object": "list", "data": self._cards()}),
            ("POST", "/v1/load_lora_adapter"): lambda: self._load(_body(seen)),
            ("POST", "/v1/unload_lora_adapter"): lambda: self._unload(_body(seen)),
            ("POST", "/tokenize"): lambda: self._tokens(_body(seen)),
        }
        if not self.takes and seen.page.endswith("_lora_adapter"):
            return as_json({"detail": "Not Found"}, 404)
        found = pages.get((seen.method, seen.page))
        if found is not None:
            return found()
        if seen.method == "POST" and seen.page.startswith(_GUARDED):
            return None
        return as_json({"detail": "Not Found"}, 404)

    def admit(self, seen: Seen, request: Mapping[str, Any], now: float) -> Admitted | Reply:
        missing = self._missing(seen.model)
        if missing is not None:
            return missing
        self._running.add(seen)
        return Admitted()

    def counted(self, seen: Seen, now: float) -> None:
        self._running.discard(seen)
        self._totals["prompt_tokens"] += seen.prompt_tokens
        self._totals["generation_tokens"] += seen.sent_tokens
        self._totals["request_success"] += seen.ended and seen.status == 200

    def _missing(self, model: str) -> Reply | None:
        name = model.partition("?")[0]
        if name in self._models or name in self._loras:
            return None
        return _error(404, "NotFoundError", f"The model `{name}` does not exist.", "model")

    def _cards(self) -> list[dict[str, Any]]:
        card = {"object": "model", "created": 1700000000, "owned_by": "vllm", "permission": []}
        bases = [
            {"id": name, "root": name, "parent": None, "max_model_len": CONTEXT_TOKENS, **card}
            for name in self._models
        ]
        base = self._models[0]
        return bases + [
            {"id": name, "root": path, "parent": base, "max_model_len": None, **card}
            for name, path in self._loras.items()
        ]

    def _load(self, asked: Mapping[str, Any]) -> Reply:
        name, path = asked.get("lora_name"), asked.get("lora_path")
        if not isinstance(name, str) or not isinstance(path, str):
            return _error(400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.")
        if name in self._models or (name in self._loras and not asked.get("load_inplace")):
            return _error(400, "InvalidUserInput", f"The lora adapter '{name}' has already been loaded.")
        if name in self.unfit:
            return _error(500, "InternalServerError", "LoRA rank 4096 is greater than max_lora_rank 64.")
        self._loras[name] = path
        return Reply(200, _TEXT, f"Success: LoRA adapter '{name}' added successfully.".encode())

    def _unload(self, asked: Mapping[str, Any]) -> Reply:
        name = asked.get("lora_name")
        if not isinstance(name, str):
            return _error(
                400, "InvalidUserInput", "'lora_name' needs to be provided to unload a LoRA adapter."
            )
        if self._loras.pop(name, None) is None:
            return _error(404, "NotFoundError", f"The lora adapter '{name}' cannot be found.")
        return Reply(200, _TEXT, f"Success: LoRA adapter '{name}' removed successfully.".encode())

    def _tokens(self, asked: Mapping[str, Any]) -> Reply:
        missing = self._missing(str(asked.get("model", self._models[0])))
        if missing is not None:
            return missing
        count = prompt_tokens(asked)
        tokens = list(range(count))
        return as_json({
            "count": count,
            "max_model_len": CONTEXT_TOKENS,
            "tokens": tokens,
            "token_strs": None,
        })

    def _metrics(self) -> str:
        waiting = [seen for seen in self._running if not seen.status]
        running = [seen for seen in self._running if seen.status]
        gauges = {
            "num_requests_running": len(running),
            "num_requests_waiting": len(waiting),
            "kv_cache_usage_perc": min(1.0, len(running) / 100),
        }
        labels = f'{{engine="0",model_name="{self._models[0]}"}}'
        lines = [
            f"# TYPE vllm:{name} gauge\nvllm:{name}{labels} {float(value)}" for name, value in gauges.items()
        ]
        lines += [
            f"# TYPE vllm:{name}_total counter\nvllm:{name}_total{labels} {float(value)}"
            for name, value in self._totals.items()
        ]
        return "\n".join([*lines, self._loras_info(running, waiting), ""])

    def _loras_info(self, running: Sequence[Seen], waiting: Sequence[Seen]) -> str:
        """Which adapters are busy; the value is the time, as vLLM has it."""
        busy, held = (
            ",".join(sorted({seen.model.partition("?")[0] for seen in each} & self._loras.keys()))
            for each in (running, waiting)
        )
        labels = f'max_lora="{MAX_LORAS}",running_lora_adapters="{busy}",waiting_lora_adapters="{held}"'
        name = "vllm:lora_requests_info"
        return f"# TYPE {name} gauge\n{name}{{{labels}}} {time.time()}"


def _body(seen: Seen) -> Mapping[str, Any]:
    try:
        found = seen.json()
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _error(status: int, kind: str, message: str, param: str | None = None) -> Reply:
    return as_json({"error": {"message": message, "type": kind, "param": param, "code": status}}, status)

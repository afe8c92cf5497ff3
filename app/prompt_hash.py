"""A short keyed hash of a prompt: the same prompt can be recognised in the log, nobody can read it there."""

import secrets
from hashlib import blake2b

from app.wire import Request

_PROMPTS = ("messages", "prompt", "input", "query")
"""The members that hold what a person wrote."""


class PromptHash:
    """Hashes of one key are comparable; without one, a new key is drawn and hashes compare within one run."""

    def __init__(self, key: str = "", *, enabled: bool = True) -> None:
        self._key = key.encode()[:64] or secrets.token_bytes(32)
        self._enabled = enabled

    def of(self, request: Request) -> str:
        """12 hexadecimal digits (48 bits); "" where hashing is off or there is no prompt."""
        if not self._enabled:
            return ""
        for name in _PROMPTS:
            span = request.members.spans.get(name)
            if span is not None:
                prompt = memoryview(request.members.body)[span[0] : span[1]]
                return blake2b(prompt, digest_size=6, key=self._key).hexdigest()
        return ""

"""Which adapters a replica has where: in the slots of its GPU, in its host's memory, or on disk alone.

No server says so (vLLM 0.33 has no metric of it), so the gateway keeps the same two lists as vLLM does: least recently used
goes first, `max_loras` in the slots, `max_cpu_loras` in memory, and each call touches both.
"""

from collections import OrderedDict
from collections.abc import Collection
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["gpu", "cpu", "disk"]


class Residency:
    """The adapters of one replica."""

    __slots__ = ("_kept", "_slots", "kept", "slots")

    def __init__(self, slots: int, kept: int) -> None:
        """`slots` is the server's max_loras, `kept` its max_cpu_loras."""
        self._slots = slots
        self._kept = max(kept, slots)
        self.slots: OrderedDict[str, None] = OrderedDict()
        """Those on the GPU, the least recently used first."""
        self.kept: OrderedDict[str, None] = OrderedDict()
        """Those in memory, with those on the GPU among them."""

    def level(self, name: str) -> Level:
        if name in self.slots:
            return "gpu"
        return "cpu" if name in self.kept else "disk"

    def use(self, name: str) -> Level:
        """A call of this adapter is sent: where it was found. It is on the GPU from here on, and another may not be."""
        found = self.level(name)
        if found == "disk" and len(self.kept) >= self._kept:
            oldest, _ = self.kept.popitem(last=False)
            self.slots.pop(oldest, None)
        self.kept[name] = None
        self.kept.move_to_end(name)
        if found != "gpu" and len(self.slots) >= self._slots:
            self.slots.popitem(last=False)
        self.slots[name] = None
        self.slots.move_to_end(name)
        return found

    def forget(self, name: str) -> None:
        """The server does not know this name any more. Its slot stays taken until others need it, but for nobody."""
        self.slots.pop(name, None)
        self.kept.pop(name, None)

    def clear(self) -> None:
        """The server has begun anew."""
        self.slots.clear()
        self.kept.clear()

    def seen(self, running: Collection[str]) -> None:
        """These are answering at the moment, as the server tells: they are in slots, whoever sent the calls."""
        for name in sorted(running):
            self.use(name)

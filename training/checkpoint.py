"""The state of training on disk, so that a process that was killed goes on where it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch


def seeded(seed: int) -> None:
    """What is drawn, and in which order sums are taken, is the same for the same seed: a run that was stopped ends like any other."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)


class Checkpoint:
    """Of the weights that learn, and of their optimizers. Written beside and then renamed: never half."""

    NAME: ClassVar[str] = "checkpoint.pt"

    def __init__(
        self, folder: Path, weights: Sequence[torch.Tensor], optimizers: Sequence[torch.optim.Optimizer]
    ) -> None:
        self._path = folder / self.NAME
        self._weights = weights
        self._optimizers = optimizers

    def save(self, step: int, more: Any = None) -> None:
        """`step` is how many are done; `more` is plain data to be found again."""
        state = {
            "step": step,
            "weights": [weight.detach().cpu() for weight in self._weights],
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "random": torch.get_rng_state(),
            "more": more,
        }
        beside = self._path.with_suffix(".tmp")
        torch.save(state, beside)
        beside.replace(self._path)

    def restore(self) -> int:
        """How many steps are done."""
        return int(self.restored()[0])

    def restored(self) -> tuple[int, Any]:
        """How many steps are done, and what was kept beside."""
        if not self._path.exists():
            return 0, None
        state = torch.load(self._path, weights_only=True)
        with torch.no_grad():
            for weight, kept in zip(self._weights, state["weights"], strict=True):
                weight.copy_(kept)
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        torch.set_rng_state(state["random"])
        return int(state["step"]), state["more"]

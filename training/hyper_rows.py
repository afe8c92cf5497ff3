"""Rows of hypertokens that learn beside a base that does not.

They stand in for the rows of the tables where a hypertoken is read, and where its likelihood is told. The base may be quantised,
tied or not, and carry any adapters; nothing of it changes until the rows are written into it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FILE = "rows.safetensors"


class HyperRows(nn.Module):
    """The rows (N, hidden) of these token ids; one table where the base ties both, else two."""

    def __init__(self, model: Any, ids: Sequence[int]) -> None:
        super().__init__()
        embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
        self.register_buffer("ids", torch.tensor(ids), persistent=False)
        lookup = torch.full((embeddings.weight.shape[0],), -1)
        lookup[self.ids] = torch.arange(len(ids))
        self.register_buffer("lookup", lookup, persistent=False)
        self.read = nn.Parameter(embeddings.weight.detach()[self.ids].float().clone())
        tied = head.weight is embeddings.weight
        self.told = self.read if tied else nn.Parameter(head.weight.detach()[self.ids].float().clone())
        self.active = True
        embeddings.register_forward_hook(self._reading)
        head.register_forward_hook(self._telling)

    @contextmanager
    def without(self) -> Iterator[None]:
        """The base as it was; its likelihoods of hypertokens are minus infinity."""
        self.active = False
        try:
            yield
        finally:
            self.active = True

    def write(self, model: Any) -> None:
        """Into the tables of a model."""
        with torch.no_grad():
            model.get_input_embeddings().weight[self.ids] = self.read.to(
                model.get_input_embeddings().weight.dtype
            )
            model.get_output_embeddings().weight[self.ids] = self.told.to(
                model.get_output_embeddings().weight.dtype
            )

    def save(self, folder: Path) -> None:
        save_file(
            {"ids": self.ids, "read": self.read.detach().cpu(), "told": self.told.detach().cpu().clone()},
            folder / FILE,
        )

    def load(self, folder: Path) -> None:
        kept = load_file(folder / FILE)
        with torch.no_grad():
            self.read.copy_(kept["read"])
            self.told.copy_(kept["told"])

    def _reading(self, _module: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor:
        if not self.active:
            return found
        at = self.lookup[given[0]]
        return torch.where((at >= 0).unsqueeze(-1), self.read[at.clamp(min=0)].to(found.dtype), found)

    def _telling(self, _module: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor:
        if not self.active:
            return found.index_fill(-1, self.ids, -torch.inf)
        return found.index_copy(-1, self.ids, (given[0] @ self.told.T.to(given[0].dtype)).to(found.dtype))

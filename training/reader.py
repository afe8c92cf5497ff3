"""A model with its rows and adapters, asked for the likelihoods at chosen places alone.

A head over a large vocabulary costs as much as the rest of a small model: it is computed where it is looked at.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training.examples import Side


class Reader(nn.Module):
    """Takes tokens (batch, length) and a mask of places; gives logits (places, vocabulary) of what follows each, as float32."""

    def __init__(self, model: Any) -> None:
        """`model` is one of transformers, or of PEFT's around one."""
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        inner = self.model.base_model.model if hasattr(self.model, "peft_config") else self.model
        hidden = inner.base_model(input_ids=tokens).last_hidden_state
        logits: Tensor = self.model.get_output_embeddings()(hidden[places]).float()
        return logits


def asked(sides: Sequence[Side], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Padded tokens, the places before each token of the answers, and those tokens (N), row after row.

    What is behind a text is never attended to, so padding needs no mask.
    """
    longest = max(len(side.tokens) for side in sides)
    tokens = torch.zeros((len(sides), longest), dtype=torch.long)
    places = torch.zeros((len(sides), longest), dtype=torch.bool)
    for row, side in enumerate(sides):
        tokens[row, : len(side.tokens)] = torch.tensor(side.tokens)
        places[row, len(side.prompt) - 1 : len(side.tokens) - 1] = True
    wanted = tokens.roll(-1, 1)[places]
    return tokens.to(device), places.to(device), wanted.to(device)

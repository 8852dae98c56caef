"""AdamW over many adapters at once: each row steps as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.optim.adamw import adamw

from agents.adapters.store import MOMENTS, WEIGHTS, AdapterStore

_SMALL = 1e-6
"""Added to a norm before dividing, as `torch.nn.utils.clip_grad_norm_` does."""


@dataclass(frozen=True)
class AdamW:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), torch's own kernel on every row."""

    weight_decay: float
    """Decoupled weight decay."""
    clip_norm: float
    """Greatest norm of one adapter's gradient; 0 for no limit."""
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def step(self, store: AdapterStore, rows: Sequence[int], gradients: torch.Tensor) -> None:
        """Descend.

        Args:
            store: Holds weights, moments, step counts and learning rates; changed in place.
            rows: n different rows of it.
            gradients: [n, width]; changed in place where clipped.
        """
        with torch.no_grad():
            if self.clip_norm > 0:
                norms = torch.linalg.vector_norm(gradients, dim=1)
                factor = (self.clip_norm / (norms + _SMALL)).clamp(max=1.0)
                if gradients.device.type != "cpu" or bool((factor < 1.0).any()):
                    gradients.mul_(factor[:, None])
            rates = store.learning_rates[np.asarray(rows)]
            for rate in np.unique(rates).tolist():
                self._descend(store, rows, gradients, np.flatnonzero(rates == rate), rate)

    def _descend(
        self,
        store: AdapterStore,
        rows: Sequence[int],
        gradients: torch.Tensor,
        places: np.ndarray,
        rate: float,
    ) -> None:
        mine = [rows[place] for place in places]
        grads = gradients.unbind()
        first, second = MOMENTS
        adamw(
            _taken(store.columns[WEIGHTS], mine),
            [grads[place] for place in places],
            _taken(store.columns[first], mine),
            _taken(store.columns[second], mine),
            max_exp_avg_sqs=[],
            state_steps=_taken(store.steps, mine),
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=rate,
            weight_decay=self.weight_decay,
            eps=self.epsilon,
            maximize=False,
        )


def _taken(pool: torch.Tensor, rows: Sequence[int]) -> list[torch.Tensor]:
    every = pool.unbind()
    return [every[row] for row in rows]

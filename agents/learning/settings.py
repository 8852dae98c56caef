"""How weak agents are fine-tuned: the ``learner`` section of a scenario, but for who learns."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.adapters.config import AdapterConfig


@dataclass
class LearnerSettings:
    """Online fine-tuning of the weak agents."""

    learning_rate: float = 1e-3
    batch_size: int = 32
    """Cases of a minibatch."""
    epochs: int = 1
    """Passes over each tick's samples; the first in the order submitted, further ones permuted."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Greatest norm of a gradient; 0 for no limit."""
    warm_start_learning_rate: float = 2e-3
    warm_start_epochs: int = 8
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    """With ``adapter.rank`` above 0, students share a frozen base and each trains an adapter."""

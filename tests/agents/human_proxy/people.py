"""One rational person with some fields set, and what it answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.human_proxy.policy import HumanProxy
from agents.human_proxy.presets import HumanProxyConfig


def person(preset: str = "rational", seed: int = 3, **stages) -> HumanProxy:
    config = HumanProxyConfig(preset=preset)
    for stage, values in stages.items():
        setattr(config, stage, replace(getattr(config, stage), **values))
    return HumanProxy(config, seed)


def answers(proxy, asks):
    return proxy.answer(asks, proxy.initial_minds(asks.agent_id))


def two(p, n: int = 1) -> np.ndarray:
    """[n, 2] from the probability of option 0."""
    column = np.full(n, p) if np.ndim(p) == 0 else np.asarray(p, dtype=float)
    return np.stack([column, 1 - column], axis=1)

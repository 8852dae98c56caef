"""How a proxy's belief answers to its weights, computed once for a whole search.

What a person perceives and remembers does not depend on the weights that are estimated, and every
later stage is linear in what it adds: the update in prior and evidence (in log-probabilities), the
anchor and advice in what is said (in probabilities). So each stage is asked a few times, for
weights 0 and 1, and beliefs for any weights follow by adding up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from agents.human_proxy.advice import Advice
from agents.human_proxy.anchor import Anchor
from agents.human_proxy.policy import HumanProxy
from agents.human_proxy.presets import HumanProxyConfig
from agents.policies.numeric import Bools, Floats, log_normalize
from coordination.cohort import Asks
from environments.core.columns import Columns


class Response:
    """The beliefs of people who have met nobody yet, as a function of weights.

    Args:
        asks: What they were asked.
        preset: Gives what they perceive and remember.
    """

    def __init__(self, asks: Asks, preset: str) -> None:
        person = HumanProxy(HumanProxyConfig(preset=preset), seed=0)
        minds = person.initial_minds(asks.agent_id)
        missed = person.perceive.missed(asks)
        quoted = person.remember(asks, person.perceive(asks, missed), missed)
        self.mask = asks.option_mask
        self.possible = self.mask & ~np.isneginf(asks.assessment)
        update = person.update
        self.prior = self._inside(asks.assessment)
        agreeing = replace(update, prior_weight=0.0, evidence_weight=1.0, contrary_weight=0.0)
        everything = replace(agreeing, contrary_weight=1.0)
        # Normalizing adds a constant to each row, which the last step takes out again.
        self.agreeing = self._inside(agreeing(asks, quoted))
        self.contrary = self._inside(everything(asks, quoted)) - self.agreeing
        flat = np.where(self.mask, 0.0, -np.inf)
        told, used = Anchor(1.0)(asks, log_normalize(flat, self.mask))
        self.anchor = np.exp(told)
        spoken = np.zeros(asks.n, dtype=bool)
        spoken[asks.heard.row[np.asarray(used)]] = True
        self.anchored = spoken[:, None]
        stranger = replace(person.advice, weight=1.0)
        self.advice = {
            False: self._advice(asks, minds, stranger, None),
            True: self._advice(asks, minds, stranger, used),
        }

    def believe(self, values: Mapping[str, float]) -> Floats:
        """Return log-probabilities [B, K] like `HumanProxy.believe`.

        Args:
            values: ``prior_weight``, ``evidence_weight``, ``contrary_weight``, ``anchor``,
                ``advice``.
        """
        evidence = self.agreeing + values["contrary_weight"] * self.contrary
        total = values["prior_weight"] * self.prior + values["evidence_weight"] * evidence
        belief = np.exp(log_normalize(np.where(self.possible, total, -np.inf), self.mask))
        a = values["anchor"] * self.anchored
        belief = (1.0 - a) * belief + a * self.anchor
        weight, pooled = self.advice[values["anchor"] > 0]
        belief = belief + values["advice"] * (pooled - weight * belief)
        with np.errstate(divide="ignore"):
            return np.log(np.where(self.mask, belief, 0.0))

    def _inside(self, values: Floats) -> Floats:
        return np.where(self.possible, values, 0.0)

    def _advice(
        self, asks: Asks, minds: Columns, advice: Advice, used: Bools | None
    ) -> tuple[Floats, Floats]:
        """Return the weight g [B, 1] of advice at w = 1, and g times the pooled advice [B, K].

        With x before advice, the stage returns (1 - g)·x + g·pooled: two values of x tell both.
        """
        k = self.mask.shape[1]
        count = np.maximum(asks.n_options, 1)[:, None]
        flat = np.where(self.mask, 1.0 / count, 0.0)
        first = np.where(np.arange(k) == 0, 1.0, 0.0) * np.ones((asks.n, 1))
        with np.errstate(divide="ignore"):
            from_flat = np.exp(advice(asks, minds, np.log(flat), used))
            from_first = np.exp(advice(asks, minds, np.log(first), used))
        rest = (from_flat - from_first)[:, :1] / (flat - first)[:, :1]
        weight = 1.0 - rest
        return weight, from_flat - rest * flat

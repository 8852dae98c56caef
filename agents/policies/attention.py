"""Capability as attention: how much of the evidence that it could see an agent takes in.

An agent that reads a source with attention s notices each item of evidence that it holds with
probability s, independently: one keyed draw per agent, case and item, so the same in every
conversation about the case, and nested (who attends more notices all that it would have noticed
attending less). What it overlooks it neither weighs nor can quote. So one number orders agents that
are otherwise alike, from a reader of the public text (0) to one who knows everything (1), and the
gap between an expert and its overseer is a difference of two such numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.policies.numeric import ordered_sum
from coordination.cohort import Asks
from environments.core.keyed import Keyed


def notice(asks: Asks, attention: float, draw: Keyed) -> Asks:
    """Return an ask as somebody sees it who overlooks part of the evidence.

    Args:
        asks: B rows, in a world whose evidence adds up to what a seat knows.
        attention: Probability in [0, 1] that an item is noticed; 1 returns ``asks`` itself.
        draw: Keys who notices what.

    Returns:
        The ask with fewer items held, and an assessment without what these say.
    """
    if attention >= 1.0 or asks.held.shape[1] == 0:
        return asks
    seen = draw.uniform(asks.agent_id, asks.case_id, shape=(asks.held.shape[1],)) < attention
    overlooked = asks.held & ~seen
    lost = ordered_sum(np.where(overlooked[:, :, None], asks.llr, 0.0), 1)
    return replace(asks, held=asks.held & seen, assessment=asks.assessment - lost)

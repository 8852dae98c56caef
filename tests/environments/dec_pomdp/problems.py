"""Small problems with known values, in the text format."""

from __future__ import annotations

import itertools

import numpy as np

from environments.dec_pomdp.model import DecPOMDP

ONE_STATE = """
# A game of one state: both get 3 for meeting at 'b', 1 for 'a', nothing for missing each other.
agents: 2
discount: 0.5
values: reward
states: 1
start: uniform
actions:
a b
a b
observations:
1
1
T: * : uniform
O: * : uniform
R: a a : * : * : * : 1
R: b b : * : * : * : 3
"""


def broadcast_channel() -> DecPOMDP:
    """Return two senders on one channel (Ooi & Wornell 1996; Hansen, Bernstein & Zilberstein 2004).

    A sender's buffer is refilled with probability .9 and .1; the reward is 1 for a message that
    gets through alone; a collision is heard with probability .9, else falsely with .1.
    """
    fill = (0.9, 0.1)
    full = list(itertools.product((0, 1), repeat=2))
    transition, observation = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    reward = np.zeros((4, 4))
    for action, acts in enumerate(itertools.product((0, 1), repeat=2)):  # 0 sends, 1 waits
        hears = np.array([0.9, 0.1] if acts == (0, 0) else [0.1, 0.9])
        observation[action] = np.outer(hears, hears).ravel()
        for state, buffers in enumerate(full):
            if acts == (0, 0):
                left = (0, 0)
            else:
                left = tuple(b and a for a, b in zip(acts, buffers, strict=True))
                sent = [b for a, b in zip(acts, buffers, strict=True) if a == 0]
                reward[action, state] = sum(sent)
            for after, buffers_after in enumerate(full):
                chance = [
                    1.0 if b else (p if x else 1 - p)
                    for p, b, x in zip(fill, left, buffers_after, strict=True)
                ]
                lost = any(b and not x for b, x in zip(left, buffers_after, strict=True))
                transition[action, state, after] = 0.0 if lost else np.prod(chance)
    return DecPOMDP(
        agents=("agent_1", "agent_2"),
        states=("S00", "S01", "S10", "S11"),
        actions=(("send", "wait"),) * 2,
        observations=(("collision", "no-collision"),) * 2,
        discount=1.0,
        start=np.array([0.0, 0.0, 0.0, 1.0]),
        transition=transition,
        observation=observation,
        reward=reward,
    )

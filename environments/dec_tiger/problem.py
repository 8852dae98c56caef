"""Dec-Tiger as a Dec-POMDP, from the ``.dpomdp`` file that ships with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from environments.core.errors import ConfigError
from environments.dec_pomdp.model import DecPOMDP
from environments.dec_pomdp.reader import load_dpomdp

DEC_TIGER_FILE = Path(__file__).with_name("dectiger.dpomdp")
"""The file; any tool that reads the format can read it."""


def dec_tiger(hearing: float = 0.85, prior_left: float = 0.5) -> DecPOMDP:
    """Return Dec-Tiger (Nair et al. 2003), by default as published.

    Args:
        hearing: Probability that a listener hears the tiger's side while both listen.
        prior_left: Probability that the tiger starts on the left (after a door was opened it is
            on either side with probability 1/2, as published).

    Raises:
        ConfigError: If a probability is out of range.
    """
    for name, value in (("hearing", hearing), ("prior_left", prior_left)):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name}={value} is not in 0 … 1")
    model = load_dpomdp(DEC_TIGER_FILE)
    if (hearing, prior_left) == (0.85, 0.5):
        return model
    own = np.array([[hearing, 1 - hearing], [1 - hearing, hearing]])
    observation = model.observation.copy()
    observation[0] = np.einsum("sa,sb->sab", own, own).reshape(2, 4)
    start = np.array([prior_left, 1 - prior_left])
    return replace(model, start=start, observation=observation)

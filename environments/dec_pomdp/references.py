"""What a Dec-POMDP knows about itself: the worth of communication, in expected reward."""

from __future__ import annotations

from collections.abc import Mapping

from environments.base import Reference
from environments.dec_pomdp.belief_tree import (
    belief_tree,
    blind_value,
    delayed_values,
    free_values,
    has_delayed_values,
)
from environments.dec_pomdp.model import DecPOMDP
from environments.dec_pomdp.solve import solve


def reference_values(model: DecPOMDP, horizon: int) -> Mapping[str, Reference]:
    """Return the values of a model over a horizon, as expected sums of discounted rewards.

    Returns:
        ``chance`` (uniformly random actions), ``free_communication`` (full-information optimum),
        ``delayed_communication`` (observations reach the others one stage late; left out where
        its games are too large), ``no_communication`` and ``facilitation``, what free
        communication adds to it. Where the optimum without communication is not found, the last
        two are replaced by ``no_communication_lower_bound``, ``no_communication_upper_bound`` and
        ``facilitation_upper_bound``, which name their method.

    Raises:
        ConfigError: If the horizon is not positive or too long.
    """
    tree = belief_tree(model, horizon)
    solution = solve(model, horizon)
    free = float(free_values(model, tree)[0].max())
    values = {
        "chance": _reward(blind_value(model, horizon), "reward of uniformly random actions"),
        "free_communication": _reward(free, "optimal reward if all observations are shared"),
    }
    if has_delayed_values(model):
        late = float(delayed_values(model, tree)[0].max())
        meaning = "optimal reward if observations are shared one stage late"
        values["delayed_communication"] = _reward(late, meaning)
    worth = "reward that perfect facilitation adds (free communication - none)"
    if solution.exact:
        meaning = f"reward without communication ({solution.method})"
        values["no_communication"] = _reward(solution.value, meaning)
        values["facilitation"] = _reward(free - solution.value, worth)
        return values
    upper = "upper bound on the reward without communication (bounds of GMAA*)"
    values["no_communication_lower_bound"] = _reward(solution.value, solution.method)
    values["no_communication_upper_bound"] = _reward(solution.upper, upper)
    values["facilitation_upper_bound"] = _reward(free - solution.value, f"at most this {worth}")
    return values


def _reward(value: float, meaning: str) -> Reference:
    return Reference(value, meaning, share=False)

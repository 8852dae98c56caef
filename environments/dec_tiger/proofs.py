"""Proofs of Dec-Tiger and of the Dec-POMDP solvers, from the shipped file."""

from __future__ import annotations

from environments.core.proof import Proof
from environments.dec_pomdp.belief_tree import free_communication_value
from environments.dec_pomdp.enumeration import enumerate_optimum
from environments.dec_pomdp.policies import evaluate
from environments.dec_pomdp.solve import solve
from environments.dec_tiger.problem import dec_tiger

_FIRST_SOLVED = {
    2: "Nair et al. 2003 (IJCAI)",
    3: "Szer, Charpillet & Zilberstein 2005 (UAI)",
    4: "Szer, Charpillet & Zilberstein 2005 (UAI)",
    5: "Oliehoek, Whiteson & Spaan 2009 (AAMAS)",
    6: "Spaan, Oliehoek & Amato 2011 (IJCAI)",
}
"""Who first solved each horizon; values as listed at masplan.org/optimal_values."""
_REWARDS = (
    (("listen", "listen"), "tiger-left", -2.0),
    (("open-right", "open-right"), "tiger-left", 20.0),
    (("open-left", "open-left"), "tiger-left", -50.0),
    (("open-left", "open-right"), "tiger-left", -100.0),
    (("listen", "open-right"), "tiger-left", 9.0),
    (("listen", "open-left"), "tiger-left", -101.0),
)
"""What the agents do, where the tiger is, what they earn."""


def proofs() -> list[Proof]:
    """Return the published values of Dec-Tiger beside what the solvers obtain."""
    model = dec_tiger()
    table = []
    free = {2: 10.815, 3: 13.0155, 4: 22.7011}
    none = {2: -4.0, 3: 5.190812, 4: 4.802755, 5: 7.026451, 6: 10.381625}
    obtained = {}
    for joint, tiger, expected in _REWARDS:
        action = model.joint_action([model.actions[a].index(one) for a, one in enumerate(joint)])
        got = float(model.reward[action, model.states.index(tiger)])
        claim = f"Dec-Tiger, reward of {' and '.join(joint)}, {tiger}"
        table.append(Proof(claim, "Nair et al. 2003 (IJCAI), table of rewards", expected, got, 0.0))
    for horizon, expected in free.items():
        claim = f"Dec-Tiger, {horizon} stages, free communication (beliefs enumerated)"
        got = free_communication_value(model, horizon)
        digits = 5e-4 if horizon == 2 else 5e-5
        table.append(Proof(claim, "POMDP optimum of the published problem", expected, got, digits))
        obtained[horizon] = got
    for horizon, expected in none.items():
        solution = solve(model, horizon)
        # A value that is not proved optimal must not pass as one.
        got = evaluate(model, solution.policy) if solution.exact else float("nan")
        claim = f"Dec-Tiger, {horizon} stages, no communication (GMAA* with clustering)"
        source = _FIRST_SOLVED[horizon]
        table.append(Proof(claim, source, expected, got, 5e-5 if horizon == 2 else 5e-7 + 1e-9))
        if horizon in free:
            claim = f"Dec-Tiger, {horizon} stages, worth of perfect facilitation"
            worth = free[horizon] - expected
            gap = obtained[horizon] - got
            table.append(Proof(claim, "free communication - none", worth, gap, 6e-5))
    for horizon in (2, 3):
        claim = f"Dec-Tiger, {horizon} stages, no communication (all policies enumerated)"
        got = enumerate_optimum(model, horizon)
        table.append(Proof(claim, "Nair et al. 2003 (IJCAI)", none[horizon], got, 6e-7))
    return table

"""The arithmetic of nested oversight, as in the authors' notebook."""

from __future__ import annotations

from environments.core.proof import Proof
from experiments.elo.ratings import win_probability
from experiments.elo.scaling import Line, best_chain

_SOURCE = "Engels et al. 2025, arXiv 2504.18530 (linear segments of their notebook)"
_START, _GAP = 1103.0, 400.0

CASES: dict[str, tuple[Line, Line, float, int]] = {
    "Mafia": (
        Line(1.5305382247861692, -622.9317463747565),
        Line(0.8344154600833648, 173.2206142928111),
        0.1106236,
        1,
    ),
    "Debate": (
        Line(1.0983942546126946, -47.49890598669299),
        Line(0.04936115584058696, 1080.3983558810423),
        0.5135845,
        1,
    ),
    "Backdoor": (
        Line(0.7192614624976502, 552.0221384375485),
        Line(1.9518243250891987, -1361.61176329289),
        0.2756914,
        2,
    ),
    "Wargames": (
        Line(1.1666737577004682, -229.07366870912878),
        Line(0.6795738441484533, 422.0053838057133),
        0.0979770,
        1,
    ),
}
"""Game to guard line, adversary line, success over the gap, and the best number of steps."""


def proofs() -> list[Proof]:
    """Return the proofs of this piece."""
    found = [
        Proof("P(i beats j) 400 points ahead", "Elo 1978", 10 / 11, float(win_probability(400, 0)),
              1e-12)
    ]  # fmt: skip
    for name, (guard, adversary, success, steps) in CASES.items():
        chain = best_chain(guard, adversary, _START, _GAP)
        told = f"nested oversight, {name}, gap {_GAP:g}"
        found += [
            Proof(f"{told}: success", _SOURCE, success, chain.success, 5e-8),
            Proof(f"{told}: best number of steps", _SOURCE, steps, chain.steps, 0),
        ]
    return found

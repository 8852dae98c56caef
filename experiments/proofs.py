"""All proofs: every number that the literature prints and this code reproduces."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from environments.core.proof import Proof

PIECES = {
    "hidden profile": "environments.hidden_profile.proofs",
    "jury": "environments.jury.proofs",
    "advice": "environments.advice.proofs",
    "preferences": "environments.preferences.proofs",
    "opinion network": "environments.opinion_network.proofs",
    "dec-tiger": "environments.dec_tiger.proofs",
    "diagnosis": "environments.diagnosis.proofs",
    "plan explanation": "environments.plan_explanation.proofs",
    "human proxy": "agents.human_proxy.proofs",
    "elo": "experiments.elo.proofs",
}
"""Piece to the module whose ``proofs()`` lists its proofs."""


def all_proofs() -> Iterator[tuple[str, Proof]]:
    """Yield (piece, proof), each computed by the real implementation when it is reached."""
    for piece, module in PIECES.items():
        for proof in importlib.import_module(module).proofs():
            yield piece, proof

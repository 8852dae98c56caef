"""All proofs: every number that the literature prints and this code reproduces."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from environments.core.errors import MissingExtraError
from environments.core.proof import Proof

PIECES = {
    "reading": "environments.reading.proofs",
    "chess puzzles": "environments.chess_puzzles.proofs",
    "hidden profile": "environments.hidden_profile.proofs",
    "jury": "environments.jury.proofs",
    "advice": "environments.advice.proofs",
    "preferences": "environments.preferences.proofs",
    "opinion network": "environments.opinion_network.proofs",
    "dec-tiger": "environments.dec_tiger.proofs",
    "diagnosis": "environments.diagnosis.proofs",
    "computation tree": "environments.computation_tree.proofs",
    "plan explanation": "environments.plan_explanation.proofs",
    "adapters": "environments.adapters.proofs",
    "human proxy": "agents.human_proxy.proofs",
    "protocols": "coordination.protocols.proofs",
    "elo": "experiments.elo.proofs",
}
"""Piece to the module whose ``proofs()`` lists its proofs."""


def all_proofs(missing: dict[str, str]) -> Iterator[tuple[str, Proof]]:
    """Yield (piece, proof), each computed by the real implementation when it is reached.

    Args:
        missing: Filled with the pieces that need an optional package which is not installed, and
            what to install.
    """
    for piece, module in PIECES.items():
        try:
            found = importlib.import_module(module).proofs()
        except MissingExtraError as error:
            missing[piece] = str(error)
            continue
        for proof in found:
            yield piece, proof

"""Weak supervisors: trained on half A, they label half B and answer the test themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.learning.interface import CaseTexts
from agents.learning.settings import LearnerSettings
from agents.learning.weak_to_strong.trainer import Trainer
from environments.base import Environment
from environments.core.keyed import hash_id

Floats = NDArray[np.float64]

_MEMBER = 1_000_003
"""Keeps the replicate numbers of ensemble members (their initial weights and order) apart."""


@dataclass(frozen=True)
class Supervision:
    """What the supervisors of one replicate and one reading say."""

    labels: Floats
    """[M, nB, K] on half B."""
    curve: Floats
    """[nV, K] of the first member, on the curve split."""
    test: Floats
    """[nX, K] of the first member, on the test split."""

    def arrays(self) -> dict[str, NDArray]:
        """Return plain arrays, for a snapshot."""
        return {"labels": self.labels, "curve": self.curve, "test": self.test}

    @staticmethod
    def of(arrays: Mapping[str, NDArray]) -> Supervision:
        """Return the supervision that `arrays` gave."""
        return Supervision(arrays["labels"], arrays["curve"], arrays["test"])


def trained_supervision(
    trainer: Trainer,
    members: int,
    replicate: int,
    half_a: CaseTexts,
    truth: NDArray[np.int64],
    asked: Mapping[str, CaseTexts],
    width: int,
) -> Supervision:
    """Train supervisors on the truth of half A; they differ in initial weights and case order.

    Args:
        trainer: Of the weak model, with the warm start's learning rate and epochs.
        members: M.
        replicate: The replicate.
        half_a: Cases of half A.
        truth: Their right options; the caller accounts for the truth spent.
        asked: ``labels``, ``curve`` and ``test`` cases.
        width: K.
    """
    target = (np.arange(width) == truth[:, None]).astype(np.float64)
    everything = np.ones(len(truth), dtype=bool)
    labels, first = [], {}
    for member in range(members):
        key = replicate if member == 0 else replicate + member * _MEMBER
        weights, _ = trainer.fit(trainer.initial(key), half_a, target, everything, key)
        labels.append(trainer.predict(weights, asked["labels"], width))
        if member == 0:
            first = {
                split: trainer.predict(weights, asked[split], width) for split in ("curve", "test")
            }
    return Supervision(np.stack(labels), first["curve"], first["test"])


def assessed_supervision(
    environment: Environment,
    information: str,
    agent_id: int,
    members: int,
    asked: Mapping[str, CaseTexts],
) -> Supervision:
    """Take labels from what an information group concludes alone (an engine at some depth).

    Members of the ensemble differ in the private noise of their agent ids.
    """

    def belief(split: str, member: int) -> Floats:
        cases = environment.deal(asked[split].case_id)
        own = agent_id if member == 0 else int(hash_id(agent_id, member))
        return np.exp(environment.assess(cases, information, np.full(cases.n, own)))

    return Supervision(
        np.stack([belief("labels", member) for member in range(members)]),
        belief("curve", 0),
        belief("test", 0),
    )


def supervisor_settings(settings: LearnerSettings) -> LearnerSettings:
    """Return how supervisors are trained: at the warm start's learning rate and epochs."""
    return replace(
        settings,
        learning_rate=settings.warm_start_learning_rate,
        epochs=settings.warm_start_epochs,
    )

"""One student: from weak labels, through a chain of models if asked, to trained weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.learning.interface import CaseTexts, Weights
from agents.learning.weak_to_strong.confidence import AuxiliaryConfidence
from agents.learning.weak_to_strong.labels import confident_rows, majority_label, mean_label
from agents.learning.weak_to_strong.objective import WeakLabelsConfig
from agents.learning.weak_to_strong.trainer import Trainer, Validation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lesson:
    """All that a student is given; nothing here knows half A or the test."""

    method: WeakLabelsConfig
    student: str
    """Agent whose model learns."""
    replicate: int
    texts: CaseTexts
    """Half B, n cases."""
    labels: Floats
    """[M, n, K] the weak supervisors' labels."""
    right: NDArray[np.int64] | None
    """[n] right options, for a ceiling or an analysis that stops on the truth."""
    held_out: NDArray[np.bool_]
    """[n] cases that early stopping looks at instead of learning from them."""


@dataclass(frozen=True)
class Taught:
    """What a student learned from."""

    target: Floats
    """[n, K] labels as they were before a chain relabelled them."""
    chosen: NDArray[np.bool_]
    """[n] cases that were learned from."""
    notes: dict[str, float]
    """``steps``, ``kept_epoch``, and with a chain ``hops``."""


def teach(lesson: Lesson, trainer_of: Callable[[str], Trainer]) -> tuple[Taught, Weights, Trainer]:
    """Train the models of a chain in turn, the student last.

    Every model starts from its own initial weights; all but the last label half B anew for the
    next one.

    Args:
        lesson: See `Lesson`.
        trainer_of: Agent to the trainer of its model.

    Returns:
        What was learned from, the student's weights and its trainer.
    """
    method = lesson.method
    width = lesson.labels.shape[2]
    target = first = _labels(lesson, width)
    chosen = confident_rows(target, method.keep, method.balanced)
    if method.stopping != "none":
        chosen &= ~lesson.held_out
    agents = [*method.chain, lesson.student]
    steps = kept = 0
    for agent in agents:
        trainer = trainer_of(agent)
        weights = trainer.initial(lesson.replicate)
        if method.generative:
            weights = trainer.read(weights, lesson.texts, method.generative, lesson.replicate)
        confidence = None
        if method.confidence.alpha_max > 0:
            confidence = AuxiliaryConfidence(method.confidence)
        weights, fit = trainer.fit(
            weights,
            lesson.texts,
            target,
            chosen,
            lesson.replicate,
            confidence,
            _validation(lesson, target, width),
        )
        steps, kept = steps + fit.steps, fit.kept_epoch
        if agent != agents[-1]:
            target = trainer.predict(weights, lesson.texts, width)
    notes = {"steps": float(steps), "kept_epoch": float(kept), "hops": float(len(agents))}
    return Taught(first, chosen, notes), weights, trainer


def _labels(lesson: Lesson, width: int) -> Floats:
    kind = lesson.method.labels
    if kind == "truth":
        assert lesson.right is not None
        return (np.arange(width) == lesson.right[:, None]).astype(np.float64)
    if kind == "mean":
        return mean_label(lesson.labels)
    if kind == "vote":
        return majority_label(lesson.labels)
    return lesson.labels[0]


def _validation(lesson: Lesson, target: Floats, width: int) -> Validation | None:
    if lesson.method.stopping == "none":
        return None
    rows = np.flatnonzero(lesson.held_out)
    texts = CaseTexts(
        lesson.texts.case_id[rows],
        [lesson.texts.context[i] for i in rows.tolist()],
        [lesson.texts.options[i] for i in rows.tolist()],
    )
    if lesson.method.stopping == "truth":
        assert lesson.right is not None
        target = (np.arange(width) == lesson.right[:, None]).astype(np.float64)
    return Validation(texts, target[rows])

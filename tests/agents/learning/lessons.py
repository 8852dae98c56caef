"""Lessons in the toy world: samples for any number of students."""

from __future__ import annotations

import numpy as np

from agents.learning.interface import CaseTexts, Experience
from environments.core.columns import Columns
from tests.agents.language_model.toy import world


def texts_of(n, seed=0):
    case_id, contexts, options, right = world(n, seed)
    return CaseTexts(case_id, contexts, options), right


def experience(n, students, target=None, weight=None, seed=0, order=None):
    """Samples of every student about the same n cases; targets and weights by student."""
    texts, right = texts_of(n, seed)
    order = np.arange(n) if order is None else order
    parts = []
    for student in students:
        goal = np.eye(2)[right] if target is None else target[student]
        load = np.ones(n) if weight is None else weight[student]
        parts.append(
            Columns(
                {
                    "student": np.full(n, student),
                    "case_id": texts.case_id[order],
                    "target": goal[order],
                    "weight": load[order],
                    "version": np.zeros(n, dtype=np.int64),
                }
            )
        )
    return Experience(Columns.concat(parts), texts)

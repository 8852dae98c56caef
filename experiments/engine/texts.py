"""What students see of cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.learning.interface import CaseTexts
from environments.base import Environment


def public_texts(environment: Environment, case_id: NDArray[np.int64]) -> CaseTexts:
    """Return what a student sees of the cases, which are given in ascending order."""
    cases = environment.deal(case_id)
    return CaseTexts(
        cases.case_id, environment.render_context(cases), environment.render_options(cases)
    )

"""Doubles for the tests of coordination: a world with round numbers, and crews that obey."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coordination.cohort import Answers, Asks
from coordination.toy import BayesianCrew, ToyWorld, toy_room
from environments.cases import Cases, Evidence
from environments.core.columns import Columns

PRIOR = 0.3
"""Log-odds of option 0 before any evidence."""
ITEMS = np.array([1.0, -0.8, 0.5, -0.4, 0.25, -0.2])
"""Log-likelihood ratio of each item, for option 0 against option 1."""


class RoundWorld(ToyWorld):
    """Every case is alike: two options, six items with the numbers above, all in the source."""

    @property
    def max_options(self) -> int:
        return 2

    def deal(self, case_id):
        n = len(case_id)
        llr = np.zeros((n, len(ITEMS), 2))
        llr[:, :, 0] = ITEMS
        held = np.zeros((n, len(ITEMS), 2), dtype=bool)
        held[:, :, 1] = True
        prior = np.tile([PRIOR, 0.0], (n, 1))
        two = np.full(n, 2, dtype=np.int64)
        return Cases(
            np.asarray(case_id, dtype=np.int64), two, Columns({"prior": prior}), Evidence(llr, held)
        )


Script = Callable[[Asks], dict[str, np.ndarray]]


class ScriptCrew(BayesianCrew):
    """A Bayesian crew in which some seats follow a script, and some read text.

    A script gets the asks and returns the columns of its answers that are not blank.
    """

    def __init__(self, scripts: dict[str, Script] | None = None, readers: tuple[int, ...] = ()):
        super().__init__()
        self.scripts = scripts or {}
        self.readers = readers

    def reads_text(self, agent_id):
        return bool(np.isin(agent_id, self.readers).any())

    def answer(self, asks):
        if asks.seat not in self.scripts:
            return super().answer(asks)
        given = self.scripts[asks.seat](asks)
        blank = Answers.blank(asks.n, asks.assessment.shape[1])
        return Answers(**{**blank, **given})

    def last(self, seat: str) -> Asks:
        """Return the latest asks of a seat."""
        return [asks for asks in self.calls if asks.seat == seat][-1]


def quoting(*codes: int) -> Script:
    """Always quote these codes."""
    return lambda asks: {"quotes": np.tile(np.array(codes, dtype=np.int64), (asks.n, 1))}


def saying(text: str) -> Script:
    """Always say this."""
    return lambda asks: {"text": np.full(asks.n, text, dtype=object)}


def ruling(*probs: float, choice: int | None = None) -> Script:
    """Always decide like this."""
    option = int(np.argmax(probs)) if choice is None else choice
    return lambda asks: {"probs": np.tile(probs, (asks.n, 1)), "choice": np.full(asks.n, option)}


def by_order(first: Script, second: Script) -> Script:
    """Decide by the first script if option 0 is presented first, else by the second."""
    return lambda asks: first(asks) if asks.option_order[0, 0] == 0 else second(asks)


def round_room(seats, n=4, crew=None, **options):
    """Open n rooms of the round world."""
    case_id = np.arange(n, dtype=np.int64)
    return toy_room(seats, case_id, crew=crew, environment=RoundWorld(), **options)


def logit(p):
    return np.log(p) - np.log1p(-p)

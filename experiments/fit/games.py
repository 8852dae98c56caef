"""Models of choices among gambles and of guesses in games."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import expit, logsumexp
from scipy.stats import norm

from agents.human_proxy.hierarchy import CognitiveHierarchy
from agents.human_proxy.prospect import ProspectTheory
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from experiments.fit.base import SMALL, Floats, TableModel, Values, bernoulli, flag, normal, share
from experiments.fit.parameters import Parameter
from experiments.fit.table import Field


class ProspectModel(TableModel):
    """P(A) = σ(s·(V_A − V_B)) with cumulative prospect values of two-outcome gambles."""

    name: ClassVar = "prospect"
    about: ClassVar = "cumulative prospect theory, from choices between two-outcome gambles"
    source: ClassVar = ProspectTheory.source
    parameters: ClassVar = (
        Parameter("curvature", "α = β of the value function", 0.9, 0.05, 2.0, reference=".88",
                  key="prospect.alpha and prospect.beta"),
        Parameter("loss_aversion", "λ", 1.5, 0.0, reference="2.25", key="prospect.loss_aversion"),
        Parameter("gamma", "γ⁺ of the weights of gains", 0.8, 0.28, 2.0, reference=".61",
                  key="prospect.gamma"),
        Parameter("delta", "γ⁻ of the weights of losses", 0.8, 0.28, 2.0, reference=".69",
                  key="prospect.delta"),
        Parameter("sensitivity", "s, how sharply values are followed", 0.3, 0.0,
                  key="choose.beta"),
    )  # fmt: skip
    fields: ClassVar = {
        "a_1": Field("first outcome of gamble A (losses negative)"),
        "a_p": share("its probability"),
        "a_2": Field("second outcome of A"),
        "b_1": Field("first outcome of gamble B"),
        "b_p": share("its probability"),
        "b_2": Field("second outcome of B"),
        "choice": flag("1 if A was chosen, 0 if B"),
    }

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        worth = _theory(values).evaluate(*_gambles(data))
        return bernoulli(expit(values["sensitivity"] * (worth[:, 0] - worth[:, 1])), data["choice"])

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Gains, losses and mixed gambles of up to 100, chosen by `ProspectTheory`."""
        rows, draw = np.arange(n), Keyed(seed, "fit/gamble")
        amount = 100.0 * draw.uniform(rows, 0, shape=(4,))
        kind = rows % 3
        signs = np.where((kind == 0)[:, None], 1.0, -1.0) * np.ones(4)
        signs[kind == 2] = [1.0, -1.0, 1.0, -1.0]
        chance = draw.uniform(rows, 1, shape=(2,))
        x = np.round(signs * amount)
        table = {
            "a_1": x[:, 0], "a_p": chance[:, 0], "a_2": x[:, 1],
            "b_1": x[:, 2], "b_p": chance[:, 1], "b_2": x[:, 3],
        }  # fmt: skip
        outcomes, chances = _gambles(Columns(table))
        theory = _theory(values)
        choice = theory.choose(outcomes, chances, values["sensitivity"], seed, rows, 0)
        return Columns({**table, "choice": (choice == 0) * 1.0})


def _theory(values: Values) -> ProspectTheory:
    curve = values["curvature"]
    return ProspectTheory(curve, curve, values["loss_aversion"], values["gamma"], values["delta"])


def _gambles(data: Columns) -> tuple[Floats, Floats]:
    """Return outcomes and probabilities, both [N, 2, 2]."""
    sides = [("a_1", "a_2", "a_p"), ("b_1", "b_2", "b_p")]
    outcomes = np.stack([np.stack([data[i], data[j]], axis=1) for i, j, _ in sides], axis=1)
    first = np.stack([data[p] for _, _, p in sides], axis=1)
    return outcomes, np.stack([first, 1.0 - first], axis=2)


class HierarchyModel(TableModel):
    """A guess is uniform at level 0, normal around the level's own guess above it."""

    name: ClassVar = "cognitive_hierarchy"
    about: ClassVar = "steps of thinking, from guesses of a fraction of the mean guess (0 to 100)"
    source: ClassVar = CognitiveHierarchy.source
    parameters: ClassVar = (
        Parameter("tau", "τ, mean number of steps", 1.0, 0.01, 20.0, reference="1.5"),
        Parameter("noise", "standard deviation around a level's guess", 4.0, 0.1, 50.0),
        Parameter("fraction", "which part of the mean is to be guessed", 2 / 3, 0.0, 1.0,
                  free=False),
    )  # fmt: skip
    fields: ClassVar = {"guess": Field("the guess", 0.0, 100.0)}
    LEVELS: ClassVar = 20

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`; levels above 0 are cut off at 0 and 100 and renormalized."""
        model = CognitiveHierarchy(values["tau"], self.LEVELS)
        centre, spread = model.guesses(values["fraction"])[1:], values["noise"]
        inside = norm.cdf(100.0, centre, spread) - norm.cdf(0.0, centre, spread)
        near = normal(data["guess"][:, None] - centre, spread) - np.log(inside)
        parts = np.concatenate([np.full((data.n, 1), np.log(0.01)), near], axis=1)
        return logsumexp(parts + np.log(np.maximum(model.shares(), SMALL)), axis=1)

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Players of keyed levels."""
        people, draw = np.arange(n), Keyed(seed, "fit/guess")
        model = CognitiveHierarchy(values["tau"], self.LEVELS)
        level = model.level_of(people, seed)
        centre, spread = model.guesses(values["fraction"])[level], values["noise"]
        low, high = norm.cdf(0.0, centre, spread), norm.cdf(100.0, centre, spread)
        near = norm.ppf(low + (high - low) * draw.uniform(people, 0), centre, spread)
        return Columns(
            {"guess": np.where(level == 0, 100.0 * draw.uniform(people, 1), near).clip(0, 100)}
        )

"""Models of judgements that are numbers: advice, anchoring, trust, recall."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta as beta_law

from agents.human_proxy.advice import Advice
from agents.human_proxy.anchor import Anchor
from agents.human_proxy.estimates import Estimator, advised, weight_on_advice
from agents.human_proxy.remember import Remember, activation, recall_chance
from agents.human_proxy.trust import Trust
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from experiments.fit.base import Floats, TableModel, Values, bernoulli, flag, normal, share
from experiments.fit.parameters import Parameter
from experiments.fit.table import Field

_NOISE = Parameter("noise", "standard deviation of what the model leaves open", 1.0, low=0.0)


class AdviceModel(TableModel):
    """final = (1 − w)·initial + w·advice + normal noise."""

    name: ClassVar = "advice"
    about: ClassVar = "weight on advice: how far an estimate moves towards advice"
    source: ClassVar = Advice.source
    parameters: ClassVar = (
        Parameter("weight", "w, weight on advice", 0.4, -1.0, 2.0, reference=".39 [.37, .42]",
                  key="advice.weight"),
        _NOISE,
    )  # fmt: skip
    fields: ClassVar = {
        "initial": Field("estimate before advice"),
        "advice": Field("what was advised"),
        "final": Field("estimate after advice"),
    }

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        predicted = advised(data["initial"], data["advice"], values["weight"])
        return normal(data["final"] - predicted, values["noise"])

    def starts(self, data: Columns) -> dict[str, float]:
        """Start from the mean WOA and the spread of the final estimates."""
        woa = weight_on_advice(data["initial"], data["advice"], data["final"], clip=True)
        mean = float(np.nanmean(woa)) if not np.isnan(woa).all() else 0.4
        rest = data["final"] - advised(data["initial"], data["advice"], mean)
        return {"weight": mean, "noise": max(float(np.std(rest)), 1e-3)}

    def notes(self, data: Columns) -> list[str]:
        """Tell of rows that say nothing about the weight."""
        same = int((data["advice"] == data["initial"]).sum())
        return [f"{same} rows with advice = initial say nothing about the weight"] if same else []

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Estimates of 500 with a spread of 100, and normal noise after advice."""
        rows = np.arange(n)
        people = Estimator(spread=100.0, advice_weight=values["weight"], seed=seed)
        initial = people.first(500.0, rows, 0)
        advice = people.first(500.0, rows, 1)
        noise = values["noise"] * Keyed(seed, "fit/advice").normal(rows)
        return Columns(
            {"initial": initial, "advice": advice, "final": people.revise(initial, advice) + noise}
        )


class AnchoringModel(TableModel):
    """estimate = (1 − a)·own + a·anchor + normal noise, for one question."""

    name: ClassVar = "anchoring"
    about: ClassVar = "anchoring index: how far estimates of one quantity follow an anchor"
    source: ClassVar = Anchor.source
    parameters: ClassVar = (
        Parameter("weight", "a, anchoring index", 0.4, -1.0, 2.0, reference=".49",
                  key="anchor.weight"),
        Parameter("own", "mean estimate without an anchor", 0.0),
        _NOISE,
    )  # fmt: skip
    fields: ClassVar = {
        "anchor": Field("the number shown before the question"),
        "estimate": Field("the answer"),
    }

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        predicted = advised(values["own"], data["anchor"], values["weight"])
        return normal(data["estimate"] - predicted, values["noise"])

    def starts(self, data: Columns) -> dict[str, float]:
        """Start from the regression of estimates on anchors."""
        x, y = data["anchor"], data["estimate"]
        slope = float(np.cov(x, y, bias=True)[0, 1] / max(float(np.var(x)), 1e-12))
        slope = float(np.clip(slope, -0.9, 0.95))
        own = float((y.mean() - slope * x.mean()) / (1.0 - slope))
        spread = float(np.std(y - advised(own, x, slope)))
        return {"weight": slope, "own": own, "noise": max(spread, 1e-3)}

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Low and high anchors in turn."""
        rows = np.arange(n)
        rest = max(1.0 - values["weight"], 1e-6)
        people = Estimator(values["noise"] / rest, values["weight"], seed=seed)
        anchor = np.where(rows % 2 == 0, 0.2, 1.8) * values["own"]
        return Columns({"anchor": anchor, "estimate": people.first(values["own"], rows, 0, anchor)})


class TrustModel(TableModel):
    """Reported trust is Beta(α_t, β_t), α and β grown by successes and failures."""

    name: ClassVar = "trust"
    about: ClassVar = "beta trust: how trust follows an adviser's successes and failures"
    source: ClassVar = Trust.source
    parameters: ClassVar = (
        Parameter("alpha", "successes that a stranger is credited with", 2.0, 0.0,
                  key="trust.alpha"),
        Parameter("beta", "failures that a stranger is charged with", 2.0, 0.0, key="trust.beta"),
        Parameter("success", "w_s, weight of a success", 1.0, 0.0, key="trust.success"),
        Parameter("failure", "w_f, weight of a failure", 1.0, 0.0, reference="w_f > w_s",
                  key="trust.failure"),
    )  # fmt: skip
    fields: ClassVar = {
        "round": Field("place in the person's sequence", whole=True),
        "right": flag("whether the adviser was right in this round; empty before any feedback",
                      empty=True),
        "trust": share("trust reported after this round (0 and 1 are read as .001 and .999); "
                       "empty where not asked", empty=True),
    }  # fmt: skip

    def arrange(self, data: Columns, group: NDArray[np.int64]) -> Columns:
        """Count each person's successes and failures up to each round."""
        order = np.lexsort((data["round"], group))
        right = data["right"][order]
        counts = {}
        for name, code in (("successes", 1.0), ("failures", 0.0)):
            total = np.cumsum(right == code).astype(np.float64)
            first = np.r_[True, group[order][1:] != group[order][:-1]]
            base = np.where(first, total - (right == code), 0.0)
            before = np.maximum.accumulate(base)  # totals only grow from person to person
            counted = np.empty(len(order))
            counted[order] = total - before
            counts[name] = counted
        return data.with_(**counts)

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        alpha = values["alpha"] + values["success"] * data["successes"]
        beta = values["beta"] + values["failure"] * data["failures"]
        told = np.clip(data["trust"], 1e-3, 1.0 - 1e-3)
        return np.where(np.isnan(told), 0.0, beta_law.logpdf(told, alpha, beta))

    def notes(self, data: Columns) -> list[str]:
        """Tell how many reports there are."""
        asked = int((~np.isnan(data["trust"])).sum())
        return [f"{asked} of {data.n} rows report trust"] if asked < data.n else []

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Sequences of 20 rounds with an adviser who is right in 70 %; column ``person`` too."""
        rounds = 20
        people = max(2, n // rounds)
        law = Trust(**{k: values[k] for k in ("alpha", "beta", "success", "failure")}, advisers=1)
        ids = np.arange(people, dtype=np.int64)
        minds = Columns({"agent_id": ids, **law.initial(people)})
        right = Keyed(seed, "fit/right").uniform(ids, shape=(rounds,)) < 0.7
        told = np.empty((people, rounds))
        for t in range(rounds):
            outcomes = Columns(
                {"agent_id": ids, "adviser_id": ids * 0 + 1, "feedback": right[:, t].astype(int)}
            )
            minds = law.settle(minds, outcomes)
            draw = Keyed(seed, "fit/trust").uniform(ids, t)
            alpha, beta = minds["trust_alpha"][:, 0], minds["trust_beta"][:, 0]
            told[:, t] = beta_law.ppf(draw, alpha, beta)
        return Columns(
            {
                "person": np.repeat(ids, rounds),
                "round": np.tile(np.arange(rounds, dtype=np.float64), people),
                "right": right.ravel().astype(np.float64),
                "trust": told.ravel(),
            }
        )


class RecallModel(TableModel):
    """P(recall) = 1/(1 + e^((τ − B)/s)), B = ln Σ t_j^−d."""

    name: ClassVar = "memory"
    about: ClassVar = "fading memory: what is recalled how long after it was said"
    source: ClassVar = Remember.source
    parameters: ClassVar = (
        Parameter("threshold", "τ, activation at which half is recalled", -1.0,
                  key="remember.threshold"),
        Parameter("noise", "s, how gradually recall falls around it", 0.5, 0.0,
                  key="remember.noise"),
        Parameter("decay", "d, how fast a memory fades (known apart from s only where items were "
                  "said several times)", 0.5, 0.0, 3.0, free=False, reference=".5",
                  key="remember.decay"),
    )  # fmt: skip
    fields: ClassVar = {
        "ages": Field("seconds since each time that it was said", 1e-3, 1e9, many=True),
        "recalled": flag("whether it was recalled"),
    }

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        active = activation(data["ages"], values["decay"])
        chance = recall_chance(active, values["threshold"], values["noise"])
        return bernoulli(chance, data["recalled"])

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Items said one to three times in the last two minutes."""
        rows, draw = np.arange(n), Keyed(seed, "fit/recall")
        ages = np.exp(np.log(120.0) * draw.uniform(rows, 0, shape=(3,)))
        said = 1 + draw.integers(3, rows, 1)
        ages = np.where(np.arange(3) < said[:, None], ages, np.nan)
        active = activation(ages, values["decay"])
        chance = recall_chance(active, values["threshold"], values["noise"])
        return Columns(
            {"ages": ages, "recalled": (draw.uniform(rows, 2) < chance).astype(np.float64)}
        )

"""Models of choices: noisy reason, biased Bayes, automation bias."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import expit, log_softmax

from agents.human_proxy.automation import Automation, AutomationConfig
from agents.human_proxy.choose import Choose, ChooseConfig
from agents.human_proxy.policy import HumanProxy
from agents.human_proxy.presets import HumanProxyConfig
from agents.human_proxy.situations import situations
from agents.human_proxy.update import Update, UpdateConfig
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from experiments.fit.base import (
    SMALL,
    Floats,
    TableModel,
    Values,
    bernoulli,
    flag,
    normal,
    share,
)
from experiments.fit.parameters import Parameter
from experiments.fit.table import Field


def proxy(seed: int, **stages: object) -> HumanProxy:
    """Return a rational person but for the given stages."""
    return HumanProxy(HumanProxyConfig(preset="rational", **stages), seed)  # type: ignore[arg-type]


class NoisyRationalModel(TableModel):
    """P(k) = (1 − ε)·softmax(β·value)_k + ε·(the others' share)."""

    name: ClassVar = "noisy_rational"
    about: ClassVar = "noisy rational choice: how sharply values are followed, and plain mistakes"
    source: ClassVar = Choose.source
    parameters: ClassVar = (
        Parameter("beta", "β, rationality", 1.0, 0.0, reference="1 (B-Pref)", key="choose.beta"),
        Parameter("mistake", "ε, chance to name another option than meant", 0.05, 0.0, 0.5,
                  reference=".1 (B-Pref)", key="choose.mistake"),
    )  # fmt: skip
    fields: ClassVar = {
        "value_*": Field("value of option 1, 2, … to the person; empty where there is no such "
                         "option", empty=True),
        "choice": Field("number of the option that was chosen, from 1", 1, whole=True,
                        option_of="value_*"),
    }  # fmt: skip

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`; a slip of the hand falls on one of the options that exist."""
        value = data["value"]
        exists = ~np.isnan(value)
        scores = np.where(exists, values["beta"] * np.where(exists, value, 0.0), -np.inf)
        meant = np.exp(log_softmax(scores, axis=1))
        others = np.maximum(exists.sum(axis=1, keepdims=True) - 1, 1)
        eps = np.where(exists.sum(axis=1, keepdims=True) > 1, values["mistake"], 0.0)
        chance = np.where(exists, (1.0 - eps) * meant + eps * (1.0 - meant) / others, 0.0)
        place = data["choice"].astype(np.int64)[:, None] - 1
        got = np.take_along_axis(chance, place, axis=1)[:, 0]
        return np.log(np.maximum(got, SMALL))

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Three options whose values are normal draws of spread 2, chosen by `Choose`."""
        value = 2.0 * Keyed(seed, "fit/value").normal(np.arange(n), shape=(3,))
        asks = situations(np.exp(log_softmax(value, axis=1)))
        choose = Choose(values["beta"], values["mistake"], 0.0, 0.0, seed)
        coin = np.zeros((n, 3))
        choice = choose(asks, asks.assessment, coin, value)
        return Columns({"value": value, "choice": choice + 1.0})


UPDATE = (
    Parameter("prior_weight", "d, weight of the prior", 1.0, 0.0, reference="1 is Bayes",
              key="update.prior_weight"),
    Parameter("evidence_weight", "c, weight of evidence", 1.0, 0.0, reference="1 is Bayes",
              key="update.evidence_weight"),
    Parameter("contrary_weight", "factor on evidence against what was believed before", 0.8, 0.0,
              reference="1 is Bayes", key="update.contrary_weight"),
)  # fmt: skip
_EVIDENCE = {
    "prior": share("prior probability of option A that the person was given"),
    "evidence_for": Field("sum of the log-likelihood ratios of items that speak for A", 0.0),
    "evidence_against": Field("the same of items that speak against A, as a positive number", 0.0),
}


def posterior_log_odds(values: Values, data: Columns) -> Floats:
    """Return d·logit prior + c·(for − against), the contrary side of it discounted."""
    p = np.clip(data["prior"], 1e-6, 1.0 - 1e-6)
    prior = np.log(p / (1.0 - p))
    m = values["contrary_weight"]
    pro = data["evidence_for"] * np.where(p < 0.5, m, 1.0)
    contra = data["evidence_against"] * np.where(p > 0.5, m, 1.0)
    return values["prior_weight"] * prior + values["evidence_weight"] * (pro - contra)


def _updated(values: Values, n: int, seed: int) -> tuple[dict[str, Floats], Floats]:
    """Return a table of evidence, and the beliefs of proxies who heard it as quotes."""
    rows, draw = np.arange(n), Keyed(seed, "fit/evidence")
    prior = 0.05 + 0.9 * draw.uniform(rows, 0)
    pro, contra = 2.5 * draw.uniform(rows, 1), 2.5 * draw.uniform(rows, 2)
    llr = np.zeros((n, 2, 2))
    llr[:, 0, 0], llr[:, 1, 1] = pro, contra
    weights = {p.name: values[p.name] for p in UPDATE}
    person = proxy(seed, update=UpdateConfig(**weights))
    asks = situations(np.stack([prior, 1.0 - prior], axis=1), llr=llr)
    belief = person.believe(asks, person.initial_minds(asks.agent_id))
    table = {"prior": prior, "evidence_for": pro, "evidence_against": contra}
    return table, belief[:, 0] - belief[:, 1]


class BiasedBayesianModel(TableModel):
    """P(A) = σ(d·logit prior + c·LLR), contrary evidence discounted; β fixed at 1."""

    name: ClassVar = "biased_bayesian"
    about: ClassVar = "biased Bayesian, from choices (their noise, β = 1, sets the scale)"
    source: ClassVar = Update.source
    parameters: ClassVar = UPDATE
    fields: ClassVar = {**_EVIDENCE, "choice": flag("1 if A was chosen, 0 if the other option")}

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        return bernoulli(expit(posterior_log_odds(values, data)), data["choice"])

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Choices of proxies who hear one item for and one against A."""
        table, odds = _updated(values, n, seed)
        chosen = Keyed(seed, "fit/choice").uniform(np.arange(n)) < expit(odds)
        return Columns({**table, "choice": chosen.astype(np.float64)})


class BiasedReportModel(TableModel):
    """logit report = d·logit prior + c·LLR + normal noise, contrary evidence discounted."""

    name: ClassVar = "biased_bayesian_reports"
    about: ClassVar = "biased Bayesian, from reported probabilities"
    source: ClassVar = Update.source
    parameters: ClassVar = (
        *UPDATE,
        Parameter("noise", "standard deviation of the reported log-odds", 0.5, 0.0),
    )
    fields: ClassVar = {
        **_EVIDENCE,
        "report": share("probability of A that was reported (0 and 1 are read as .001 and .999)"),
    }

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        told = np.clip(data["report"], 1e-3, 1.0 - 1e-3)
        residual = np.log(told / (1.0 - told)) - posterior_log_odds(values, data)
        return normal(residual, values["noise"])

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Reports of proxies who hear one item for and one against A, with normal noise."""
        table, odds = _updated(values, n, seed)
        noise = values["noise"] * Keyed(seed, "fit/report").normal(np.arange(n))
        return Columns({**table, "report": expit(odds + noise)})


class AutomationModel(TableModel):
    """P(wrong | wrong advice) = ρ·P(wrong | no advice)."""

    name: ClassVar = "automation"
    about: ClassVar = "automation bias: wrong decisions under wrong advice against no advice"
    source: ClassVar = Automation.source
    parameters: ClassVar = (
        Parameter("relative_risk", "ρ, relative risk of a wrong decision", 1.2, 0.0,
                  reference="1.26 [1.11, 1.44]", key="automation.relative_risk"),
        Parameter("unaided", "share of wrong decisions without advice", 0.3, 0.0, 1.0),
    )  # fmt: skip
    fields: ClassVar = {
        "wrong_advice": flag("1 if the person got wrong advice, 0 if none at all"),
        "wrong": flag("whether the decision was wrong"),
    }

    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """See `TableModel`."""
        factor = np.where(data["wrong_advice"] > 0.5, values["relative_risk"], 1.0)
        chance = values["unaided"] * factor
        # Above 1 there is no such chance; a slope shows the search the way back.
        beyond = np.log(SMALL) * np.maximum(chance - 1.0, 0.0)
        return bernoulli(np.minimum(chance, 1.0), data["wrong"]) + beyond

    def starts(self, data: Columns) -> dict[str, float]:
        """Start from the shares in the data."""
        advised = data["wrong_advice"] > 0.5
        if advised.all() or not advised.any():
            return {}
        base = float(np.clip(data["wrong"][~advised].mean(), 0.01, 0.99))
        risk = float(np.clip(data["wrong"][advised].mean(), 0.01, 0.99)) / base
        return {"unaided": base, "relative_risk": risk}

    def notes(self, data: Columns) -> list[str]:
        """Tell where one of the two groups is missing."""
        some = float(data["wrong_advice"].mean())
        told = "all rows are of one kind: the relative risk cannot be known"
        return [told] if some in (0.0, 1.0) else []

    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Half of the people see wrong advice; wrong is option 0."""
        wrong = values["unaided"]
        person = proxy(
            seed,
            choose=ChooseConfig(beta=1.0),
            automation=AutomationConfig(relative_risk=values["relative_risk"]),
        )
        belief = np.tile([wrong, 1.0 - wrong], (n, 1))
        advised = np.arange(n) % 2 == 0
        told = np.where(advised[:, None], np.array([1.0, 0.0]), np.nan)
        asks = situations(belief, advice=told)
        choice = person.answer(asks, person.initial_minds(asks.agent_id)).choice
        return Columns({"wrong_advice": advised * 1.0, "wrong": (choice == 0) * 1.0})

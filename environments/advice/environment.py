"""Judge–advisor estimation as cases: which range does the quantity fall into?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments.advice.law import EstimateLaw
from environments.advice.weight import (
    PEOPLE_INTERVAL,
    PEOPLE_WEIGHT,
    error_ratio,
    optimal_weight,
)
from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.columns import Columns, frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.generated import GeneratedEnvironment, check_ranges, reference_ids
from environments.truth import SealedTruth

if TYPE_CHECKING:
    from environments.advice.simulator import BatchedAdvice

THINGS = ("coins", "beans", "beads", "marbles", "buttons", "nails", "shells", "stamps")
PLACES = ("mill", "inn", "harbour", "library", "chapel", "market", "tower", "station")

_REFERENCE_CASES = 20_000
_MOST_PRECISE = 300


@dataclass
class AdviceConfig(EnvironmentConfig):
    """Configuration of `Advice`; numbers are in units of the quantity."""

    name: str = "advice"
    n_options: int = 4
    """Equally likely ranges that the quantity can fall into, 2 to 16."""
    n_advisors: int = 3
    """Advisors beside the judge, 1 to 32."""
    prior_mean: float = 500.0
    """Mean of the quantity, -1e6 to 1e6; public."""
    prior_sd: float = 100.0
    """Standard deviation of the quantity, 1 to 1e6; public."""
    judge_sd: float = 60.0
    """Standard deviation of the judge's error, at least a tenth of prior_sd, at most 1e6."""
    advisor_sd: float = 60.0
    """Standard deviation of an advisor's error, likewise. The sum of (prior_sd / sd)² over all
    members is at most 300: beyond, adding up log-likelihoods loses digits that matter."""
    correlation: float = 0.0
    """Correlation of any two members' errors, 0 to .99."""
    judge_sees: int = 0
    """Advisors whose estimates the judge holds from the start, 0 to n_advisors."""


class Advice(GeneratedEnvironment):
    """Judge–advisor estimation: a judge's own noisy estimate, and advisors who have theirs.

    A quantity q ~ N(prior_mean, prior_sd²) is hidden. Member i (the judge is member 0) estimates it
    with a normal error of known size; any two errors correlate by ``correlation``. The options are
    K equally likely ranges of q, so the public prior is flat; the truth is the range of q.

    Evidence item i is member i's estimate. Its log-likelihoods are exact for the item alone: the
    Gaussian likelihood integrated over the range. Adding items up treats estimates as independent
    given the range, which they are not quite (they share q's place within the range) or, with
    correlated errors, not at all (correlation neglect, Enke & Zimmermann 2019). The exact posterior
    of all estimates together is `joint_posterior`; `reference_values` says what the sum loses.

    Shapes: K = ``n_options``, E = 1 + ``n_advisors``. Information groups: ``public``, ``judge``
    (item 0 and those of ``judge_sees`` advisors), ``advisor_1`` … (one item each), ``source``
    (all). The continuous game with reward -error² is `environments.advice.simulator`.

    Raises:
        ConfigError: If a field is outside the range that it documents, or ranges are so narrow that
            their bounds read the same in whole numbers.
    """

    Config = AdviceConfig
    source = "judge-advisor system: Sniezek & Buckley 1995; Yaniv 2004; generated"
    config: AdviceConfig

    def __init__(self, config: AdviceConfig, plan: SplitPlan) -> None:
        _check(config)
        super().__init__(config, plan)
        c = config
        self.law = EstimateLaw(
            mean=c.prior_mean,
            sd=c.prior_sd,
            member_sd=(c.judge_sd, *[c.advisor_sd] * c.n_advisors),
            correlation=c.correlation,
            n_options=c.n_options,
            world_seed=c.world_seed,
        )
        self._options = _range_texts(self.law.bounds)

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, ``judge``, one group per advisor, ``source``."""
        n = config.n_advisors if isinstance(config, AdviceConfig) else 0
        return (PUBLIC, "judge", *(f"advisor_{i}" for i in range(1, n + 1)), SOURCE)

    # -- dealing ---------------------------------------------------------------------------

    @property
    def max_options(self) -> int:
        """K, the number of ranges."""
        return self.config.n_options

    @property
    def max_evidence(self) -> int:
        """E, the number of members: the judge and the advisors."""
        return 1 + self.config.n_advisors

    def held(self) -> NDArray[np.bool_]:
        """Return which information group holds which item, shape [E, H]."""
        items = np.arange(self.max_evidence)
        held = np.zeros((self.max_evidence, len(self.information)), dtype=bool)
        held[:, 1] = items <= self.config.judge_sees
        held[:, 2:-1] = items[:, None] == items[1:]
        held[:, -1] = True
        return held

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """Return the cases with these ids; a pure function of each id."""
        ids = np.asarray(case_id, dtype=np.int64)
        topic = Keyed(self.config.world_seed, "advice.topic")
        estimates = self.law.estimates(ids)
        llr = self.law.log_likelihood(estimates, np.array(self.law.member_sd))
        held = np.broadcast_to(self.held(), (len(ids), *self.held().shape))
        return Cases(
            case_id=frozen(ids),
            n_options=frozen(np.full(len(ids), self.max_options, dtype=np.int64)),
            public=Columns(
                {
                    "thing": topic.integers(len(THINGS), ids, 0),
                    "place": topic.integers(len(PLACES), ids, 1),
                }
            ),
            evidence=Evidence(frozen(llr), frozen(held)),
        )

    def seal(self) -> AdviceTruth:
        """Return a new sealed truth with an empty account."""
        return AdviceTruth(self.law)

    # -- knowing ---------------------------------------------------------------------------

    def joint_posterior(self, case_id: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the exact posterior of the range given all estimates together, shape [N, K].

        All estimates matter through their pooled estimate only, which is sufficient for q.
        """
        pooled = self.law.pool(self.law.estimates(np.asarray(case_id, dtype=np.int64)))
        return np.exp(self.law.log_likelihood(pooled, self.law.pooled_sd)) / self.max_options

    def reference_values(self) -> Mapping[str, Reference]:
        """Return accuracies over ranges, then squared errors of the estimate itself."""
        return self._references

    @cached_property
    def _references(self) -> Mapping[str, Reference]:
        c, law = self.config, self.law
        alone, full = law.accuracy(c.judge_sd), law.accuracy(law.pooled_sd)
        ids = reference_ids(_REFERENCE_CASES)
        cases = self.deal(ids)
        summed = self.assess(cases, SOURCE, np.zeros(len(ids), dtype=np.int64)).argmax(axis=1)
        hit = float((summed == law.option(law.quantity(ids))).mean())
        weight = optimal_weight(c.judge_sd, c.advisor_sd, c.correlation)
        advised = c.judge_sd**2 * error_ratio(weight, c.judge_sd, c.advisor_sd, c.correlation)
        shrink = c.prior_sd**2 * law.pooled_sd**2 / (c.prior_sd**2 + law.pooled_sd**2)
        return {
            "chance": Reference(1 / c.n_options, "accuracy of a blind guess"),
            "no_communication": Reference(alone, "accuracy of the judge's own estimate"),
            "full_information": Reference(full, "accuracy of all estimates, pooled exactly"),
            "sum_of_estimates": Reference(
                hit, "accuracy of adding up all items", exact=False, n=len(ids)
            ),
            "perfect_facilitation": Reference(full - alone, "accuracy that pooling adds"),
            "optimal_weight": _number(weight, "best weight w* of one advisor's estimate"),
            "error_alone": _number(c.judge_sd**2, "mean squared error of the judge's estimate"),
            "error_advised": _number(advised, "mean squared error with one advisor at w*"),
            "error_pooled": _number(
                law.pooled_sd**2, "mean squared error of the best average of all estimates"
            ),
            "error_full_information": _number(
                shrink, "mean squared error of the posterior mean, prior included"
            ),
            "error_ratio_alone": _number(1.0, "squared error without advice, relative to itself"),
            "error_ratio_advised": _number(
                advised / c.judge_sd**2, "relative squared error with one advisor at w*"
            ),
            "error_ratio_full_information": _number(
                shrink / c.judge_sd**2, "relative squared error of the posterior mean of all"
            ),
        }

    @property
    def forged_strength(self) -> float:
        """Log-likelihood ratio of the range above the middle over that below, one sd up."""
        up = np.array([self.config.prior_mean + self.config.prior_sd])
        llr = self.law.log_likelihood(up, self.config.advisor_sd)[0]
        return float(llr.max() - llr.min())

    # -- playing ---------------------------------------------------------------------------

    def simulator(self) -> BatchedAdvice:
        """Return N of its games as a batched decision process; see `BatchedAdvice`."""
        from environments.advice.simulator import BatchedAdvice  # which stands on this module

        return BatchedAdvice(self)

    # -- text ------------------------------------------------------------------------------

    def render_context(self, cases: Cases) -> list[str]:
        """Return the question and the public prior of each case."""
        c = self.config
        pairs = zip(cases.public["thing"].tolist(), cases.public["place"].tolist(), strict=True)
        return [
            f"How many {THINGS[thing]} are in the jar at the {PLACES[place]}? Such jars hold "
            f"about {c.prior_mean:.0f}, give or take {c.prior_sd:.0f}."
            for thing, place in pairs
        ]

    def render_options(self, cases: Cases) -> list[list[str]]:
        """Return the ranges, their bounds in whole numbers; the same for every case."""
        return [list(self._options) for _ in range(cases.n)]

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """Return each member's estimate in whole numbers ('' where hidden)."""
        numbers = np.rint(self.law.estimates(cases.case_id)).astype(np.int64).tolist()
        names = ["The judge", *(f"Advisor {i}" for i in range(1, self.max_evidence))]
        return [
            [
                f"{name} estimates that there are {number} {THINGS[thing]}." if there else ""
                for name, number, there in zip(names, row, exists, strict=True)
            ]
            for row, thing, exists in zip(
                numbers,
                cases.public["thing"].tolist(),
                cases.evidence.exists.tolist(),
                strict=True,
            )
        ]

    def vocabulary(self) -> Sequence[str]:
        """Return every word of contexts and options."""
        c = self.config
        fixed = "How many are in the jar at the Such jars hold about give or take"
        numbers = [f"{c.prior_mean:.0f},", f"{c.prior_sd:.0f}."]
        places = [f"{place}?" for place in PLACES]
        spoken = [word for text in self._options for word in text.split(" ")]
        return sorted({*fixed.split(), *numbers, *spoken, *THINGS, *places})

    def details(self) -> Mapping[str, Any]:
        """Return the reference values and people's published weight of advice."""
        low, high = PEOPLE_INTERVAL
        people = {"value": PEOPLE_WEIGHT, "low": low, "high": high}
        return {**super().details(), "people_weight_of_advice": people}


class AdviceTruth(SealedTruth):
    """The quantities of generated cases and the ranges they fall into, from the ids."""

    def __init__(self, law: EstimateLaw) -> None:
        super().__init__()
        self._law = law

    def _truth(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._law.option(self._law.quantity(np.asarray(case_id, dtype=np.int64)))

    def reveal_quantity(self, case_id: NDArray[np.int64], purpose: str) -> NDArray[np.float64]:
        """Return the quantities, shape [N], and charge ``purpose`` with N."""
        self.spent[purpose] += len(case_id)
        return self._law.quantity(np.asarray(case_id, dtype=np.int64))


def _number(value: float, meaning: str) -> Reference:
    return Reference(value, meaning, share=False)


def _range_texts(bounds: NDArray[np.float64]) -> tuple[str, ...]:
    whole = [f"{bound:.0f}" for bound in bounds]
    inner = [f"{low} to {high}" for low, high in zip(whole, whole[1:], strict=False)]
    return (f"under {whole[0]}", *inner, f"over {whole[-1]}")


def _check(c: AdviceConfig) -> None:
    """Raise ConfigError for the first field outside its range."""
    check_ranges(
        (
            ("n_options", c.n_options, 2, 16),
            ("n_advisors", c.n_advisors, 1, 32),
            ("prior_mean", c.prior_mean, -1e6, 1e6),
            ("prior_sd", c.prior_sd, 1, 1e6),
            ("judge_sd", c.judge_sd, c.prior_sd / 10, 1e6),
            ("advisor_sd", c.advisor_sd, c.prior_sd / 10, 1e6),
            ("correlation", c.correlation, 0, 0.99),
            ("judge_sees", c.judge_sees, 0, c.n_advisors),
        )
    )
    precision = c.prior_sd**2 * (c.judge_sd**-2 + c.n_advisors * c.advisor_sd**-2)
    if precision > _MOST_PRECISE:
        raise ConfigError(
            f"environment.judge_sd={c.judge_sd} and advisor_sd={c.advisor_sd} of n_advisors="
            f"{c.n_advisors}: the sum of (prior_sd / sd)² is {precision:.0f}, at most "
            f"{_MOST_PRECISE} is allowed"
        )
    bounds = EstimateLaw(c.prior_mean, c.prior_sd, (1.0,), 0.0, c.n_options, 0).bounds
    if len(set(np.rint(bounds).tolist())) < len(bounds):
        raise ConfigError(
            f"environment.prior_sd={c.prior_sd} is too small for n_options={c.n_options}: two "
            "bounds read the same in whole numbers"
        )

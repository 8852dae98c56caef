"""Plan explanation: which plan is best, when the human does not know all of the robot's model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.columns import Columns, frozen
from environments.core.errors import ConfigError, UnknownNameError
from environments.generated import GeneratedEnvironment, check_ranges
from environments.plan_explanation import texts
from environments.plan_explanation.config import PlanExplanationConfig
from environments.plan_explanation.domains import DOMAINS
from environments.plan_explanation.references import reference_values
from environments.plan_explanation.tasks import KINDS, TaskLaw, TaskTable
from environments.truth import SealedTruth

if TYPE_CHECKING:
    from environments.plan_explanation.team import BatchedReconciliation

Ints = NDArray[np.int64]


class PlanExplanation(GeneratedEnvironment):
    """Model reconciliation as a decision: which plan is optimal in the robot's model?

    A case is a planning task and a world: which facts about its actions hold. The robot's model M^R
    has them all; the human knows of some facts from the start whether they hold, and by default
    plans as if the others did not (M^H). Options are the plans that are best in some world, so next
    to the robot's plan stand plans that look better in the human's model; the truth is the plan
    that is optimal in M^R (exactly one). Evidence are the facts in question: a fact that holds is a
    model update, one that does not is a confirmation of the human's model; all are true of M^R.

    Shapes: K = 4 plans and E = 6 items at most for the shipped domains: D = 5 facts and the joint
    reading (below). Reward of the team process (`environments.plan_explanation.team`): 1 for the
    optimal plan, less a cost for every update told.

    Likelihoods are exact, by enumeration of all worlds: the human holds each unknown fact for true
    with probability ``fact_rate`` (which is how worlds are drawn), and for possibly misunderstood
    with probability ``doubt``. An item has log P(item | plan k is optimal, known facts), the other
    facts summed out: its **marginal** likelihood. Facts interact (a key is worth nothing while the
    alarm is on), so adding single items is only naive Bayes; the *joint reading*, held by whoever
    holds all items, is what they say together beyond that, and makes the sum exact. `assess` is
    always exact for what a group holds.

    Information groups: ``public`` (the human's own knowledge), ``explainer_1`` … , ``source``.

    Raises:
        ConfigError: If a field is out of range or a domain is unknown.
    """

    Config = PlanExplanationConfig
    source = "Chakraborti et al. 2017, IJCAI (model reconciliation); domains in our own encodings"
    config: PlanExplanationConfig

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, one group for each explainer, and ``source``."""
        assert isinstance(config, PlanExplanationConfig)
        return (PUBLIC, *(f"explainer_{i + 1}" for i in range(config.explainers)), SOURCE)

    def __init__(self, config: PlanExplanationConfig, plan: SplitPlan) -> None:
        _check(config)
        super().__init__(config, plan)
        self._law = TaskLaw(config)
        self._table = self._law.table

    # -- dealing ---------------------------------------------------------------------------

    @property
    def max_options(self) -> int:
        """K, the largest number of candidate plans of a task."""
        return self._table.cost.shape[2]

    @property
    def max_evidence(self) -> int:
        """E: the facts, and the joint reading."""
        return self._table.width + 1

    def deal(self, case_id: Ints) -> Cases:
        """Return the cases with these ids; a pure function of each id."""
        ids = np.asarray(case_id, dtype=np.int64)
        law, task = self._law, self._law.task(ids)
        codes, known = law.codes(ids), law.known(ids)
        public = np.where(known, codes, 0)
        order = law.order(ids)
        held = self._held((codes > 0) & ~known)
        items = law.findings.items(task, public, codes)
        llr = np.take_along_axis(items, order[:, None, :], axis=2)
        llr = np.where(held[:, :, -1:], llr, 0.0)
        return Cases(
            case_id=frozen(ids),
            n_options=frozen(self._table.n_plans[task]),
            public=Columns({"task": task, "known": public, "shown": order}),
            evidence=Evidence(frozen(llr), frozen(held)),
        )

    def _held(self, unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return who holds what, [N, E, groups]."""
        held = np.zeros((len(unknown), self.max_evidence, len(self.information)), dtype=bool)
        facts = np.arange(self._table.width)
        for explainer in range(self.config.explainers):
            held[:, :-1, 1 + explainer] = unknown & (facts % self.config.explainers == explainer)
        held[:, :-1, -1] = unknown
        for group in range(1, len(self.information)):
            everything = (held[:, :-1, group] == unknown).all(axis=1)
            held[:, -1, group] = everything & (unknown.sum(axis=1) >= 2)
        return held

    def seal(self) -> SealedTruth:
        """Return a new sealed truth with an empty account."""
        return _PlanTruth(self._law)

    # -- knowing ---------------------------------------------------------------------------

    def assess(self, cases: Cases, information: str, agent_id: Ints) -> NDArray[np.float64]:
        """Return P(plan is optimal | known facts and those that the group holds), exactly.

        ``agent_id`` is not used: readers have no private noise.

        Returns:
            [N, K] normalized log-probabilities, -inf where an option does not exist.
        """
        held = cases.evidence.held[:, :-1, self.information.index(information)]
        codes = np.where(held, self._law.codes(cases.case_id), cases.public["known"])
        belief = self._law.findings.posterior(cases.public["task"], codes)
        return np.take_along_axis(belief, cases.public["shown"], axis=1)

    @property
    def table(self) -> TaskTable:
        """Every task solved in every world."""
        return self._table

    def worlds(self, cases: Cases) -> tuple[Ints, Ints]:
        """Return the facts that hold in the robot's and in the human's model, bitmasks [N] each.

        The first is the robot's knowledge (``source``): no human may be given it.
        """
        return self._law.world(cases.case_id), self._human_world(cases)

    def explanation(self, cases: Cases, kind: str = "mce") -> NDArray[np.bool_]:
        """Return which items make up an explanation of the robot's plan.

        Only who knows the robot's model (``source``) can know this; it is what an explainer tells.

        Args:
            cases: N cases.
            kind: ``mce``, ``mme`` or ``mpe``, see `environments.plan_explanation.explanations`.

        Returns:
            [N, E]; items are model updates, so never a confirmation or the joint reading.

        Raises:
            UnknownNameError: For another kind.
        """
        if kind not in KINDS:
            raise UnknownNameError("kind of explanation", kind, KINDS)
        weight = 1 << np.arange(self._table.width)
        known = ((cases.public["known"] > 0) * weight).sum(axis=1)
        world = self._law.world(cases.case_id)
        told = self._table.told[KINDS.index(kind), cases.public["task"], world, known]
        marks = np.zeros((cases.n, self.max_evidence), dtype=bool)
        marks[:, :-1] = self._table.worlds[told]
        return np.asarray(frozen(marks))

    def reference_values(self) -> Mapping[str, Reference]:
        """Return exact accuracies and sizes of explanations, by enumeration; see `references`."""
        return self._references

    @cached_property
    def _references(self) -> Mapping[str, Reference]:
        return reference_values(self._law)

    @cached_property
    def _strength(self) -> float:
        law = self._law
        sizes = []
        for t, facts in enumerate(self._table.n_facts.tolist()):
            codes = np.zeros((2, self._table.width), dtype=np.int64)
            for f in range(facts):
                alone = codes.copy()
                alone[:, f] = (1, 2)
                exists = law.findings.exists(np.array([t]))[0]
                sizes += np.ptp(
                    law.findings.likelihood(np.full(2, t), alone)[:, exists], 1
                ).tolist()
        return float(max(np.round(np.median(sizes), 4), 0.1))

    @property
    def forged_strength(self) -> float:
        """Log-likelihood ratio that a made-up update claims: the median of real ones."""
        return self._strength

    # -- playing ---------------------------------------------------------------------------

    def simulator(self) -> BatchedReconciliation:
        """Return N of its games as a batched decision process; see `BatchedReconciliation`."""
        from environments.plan_explanation.team import (
            BatchedReconciliation,  # which stands on this module
        )

        return BatchedReconciliation(self)

    # -- text ------------------------------------------------------------------------------

    def render_context(self, cases: Cases) -> list[str]:
        """Return the task and what the human knows of the robot's model from the start."""
        rows = zip(cases.public["task"].tolist(), cases.public["known"].tolist(), strict=True)
        return [texts.context(self._table.tasks[task], known) for task, known in rows]

    def render_options(self, cases: Cases) -> list[list[str]]:
        """Return the plans, each with what it costs in the human's own model."""
        rows = zip(
            cases.public["task"].tolist(),
            self._human_world(cases).tolist(),
            cases.public["shown"].tolist(),
            cases.n_options.tolist(),
            strict=True,
        )
        return [
            [
                texts.plan(self._table.candidates[task][k], int(self._table.cost[task, world, k]))
                for k in order[:n]
            ]
            for task, world, order, n in rows
        ]

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """Return each fact in question, and the joint reading, as a sentence ('' where hidden)."""
        rows = zip(
            cases.public["task"].tolist(),
            self._law.codes(cases.case_id).tolist(),
            cases.evidence.exists.tolist(),
            cases.evidence.llr[:, -1],
            cases.n_options.tolist(),
            strict=True,
        )
        return [
            texts.evidence(self._table.tasks[task], codes, exists, joint[:n])
            for task, codes, exists, joint, n in rows
        ]

    def render_human_model(self, cases: Cases) -> list[str]:
        """Return the model in which the human plans, in full: start, goal and actions."""
        rows = zip(cases.public["task"].tolist(), self._human_world(cases).tolist(), strict=True)
        return [self._table.tasks[task].world(world).describe() for task, world in rows]

    def _human_world(self, cases: Cases) -> Ints:
        """Return the facts of M^H as a bitmask, [N]: those that hold and are known."""
        weight = 1 << np.arange(self._table.width)
        return ((cases.public["known"] == 2) * weight).sum(axis=1)

    def vocabulary(self) -> Sequence[str]:
        """Return every word of contexts and options."""
        return texts.vocabulary(self._table)

    def details(self) -> Mapping[str, Any]:
        """Return the number of tasks and the reference values."""
        return {"tasks": len(self._table.tasks), **super().details()}


class _PlanTruth(SealedTruth):
    """The robot's optimal plans, at their dealt positions, recomputed from case ids."""

    def __init__(self, law: TaskLaw) -> None:
        super().__init__()
        self._law = law

    def _truth(self, case_id: Ints) -> Ints:
        ids = np.asarray(case_id, dtype=np.int64)
        return np.argmax(self._law.order(ids) == self._law.best(ids)[:, None], axis=1)


def _check(c: PlanExplanationConfig) -> None:
    """Raise ConfigError for the first field that cannot be."""
    if not c.domains:
        raise ConfigError(f"environment.domains is empty (allowed: {', '.join(DOMAINS)})")
    for name in c.domains:
        if name not in DOMAINS:
            raise UnknownNameError("domain", name, DOMAINS, "environment.domains")
    if len(set(c.domains)) < len(c.domains):
        raise ConfigError(f"environment.domains={list(c.domains)} names a domain twice")
    check_ranges(
        [
            ("fact_rate", c.fact_rate, 0.05, 0.95),
            ("known", c.known, 0, 0.99),
            ("doubt", c.doubt, 1e-6, 0.2),
            ("explainers", c.explainers, 1, 5),
        ]
    )

"""Split-evidence diagnosis: a patient, findings spread over the members of a team, one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.columns import Columns, frozen
from environments.core.errors import ConfigError, UnknownNameError
from environments.diagnosis.bayes_net import BayesNet
from environments.diagnosis.config import DiagnosisConfig
from environments.diagnosis.files import load_net
from environments.diagnosis.law import PatientLaw
from environments.generated import GeneratedEnvironment, check_ranges
from environments.truth import SealedTruth

_WORDS = {"yes": "present", "true": "present", "no": "absent", "false": "absent"}


class Diagnosis(GeneratedEnvironment):
    """Split-evidence diagnosis over a discrete Bayes net; each member holds some findings.

    A case is a patient drawn from the net: first the option (a disease, or a state of the single
    target), then all findings together given that option. Options stand in an order drawn for each
    case, so that a position tells nothing.

    Shapes: K = number of targets, or of states of the single target; E = number of private
    findings, plus one where they depend on each other. Reward of the team process
    (`environments.diagnosis.team`): 1 for the right option, else 0, shared.

    Beliefs are exact: `assess` is P(option | the findings that the group holds), by inference in
    the net, whatever the findings' dependence. An item's log-likelihood is its **marginal** one,
    log P(finding | option, public findings), with the other private findings summed out. Where
    findings are independent given the option, adding items up is exact. Where they are not (checked
    by enumeration at construction), adding single findings is only naive Bayes; what they say
    together beyond that is one further item, the *joint reading*, held by ``source`` and by a
    member that happens to hold every finding of the case. With it the sum is exact again;
    ``reference_values()["independent_pooling"]`` is what a team reaches without it.

    Information groups: ``public`` (the public findings), ``member_1`` … ``member_n``, ``source``.

    Raises:
        ConfigError: If a field is out of range, a name is not in the net, or exact enumeration is
            impossible (see `PatientLaw`).
        DataError: If the net's file is malformed (with its line).
    """

    Config = DiagnosisConfig
    source = "Asia net: Lauritzen & Spiegelhalter 1988, JRSS B 50(2); or the user's own net"
    config: DiagnosisConfig

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, one group for each member, and ``source``."""
        assert isinstance(config, DiagnosisConfig)
        return (PUBLIC, *(f"member_{i + 1}" for i in range(config.members)), SOURCE)

    def __init__(self, config: DiagnosisConfig, plan: SplitPlan) -> None:
        _check(config)
        super().__init__(config, plan)
        self.net = load_net(config.net)
        _check_names(config, self.net)
        self._law = PatientLaw(config, self.net)

    # -- dealing ---------------------------------------------------------------------------

    @property
    def max_options(self) -> int:
        """K, the number of options of every case."""
        return self._law.n_options

    @property
    def max_evidence(self) -> int:
        """E, the private findings, and the joint reading where they are dependent."""
        return len(self.config.findings) + self._law.dependent

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """Return the cases with these ids; a pure function of each id."""
        ids = np.asarray(case_id, dtype=np.int64)
        n, law, shared = len(ids), self._law, len(self.config.public_findings)
        codes = law.codes(ids)
        public = np.where(law.public, codes, 0)
        model = np.zeros(n, dtype=np.int64)
        items = law.table.items(model, public, codes)[:, shared : shared + self.max_evidence]
        order = law.order(ids)
        held = self._held(ids, codes[:, shared:] > 0)
        llr = np.take_along_axis(items, order[:, None, :], axis=2)
        # A joint reading of fewer than two findings has nothing to add.
        llr = np.where(held[:, :, -1:], llr, 0.0)
        return Cases(
            case_id=frozen(ids),
            n_options=frozen(np.full(n, law.n_options, dtype=np.int64)),
            public=Columns({"chart": public[:, :shared], "shown": order}),
            evidence=Evidence(frozen(llr), frozen(held)),
        )

    def _held(self, ids: NDArray[np.int64], taken: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return who holds what, [N, E, groups]."""
        held = np.zeros((len(ids), self.max_evidence, len(self.information)), dtype=bool)
        own = taken.shape[1]
        owner = self._law.owner(ids)
        for member in range(self.config.members):
            held[:, :own, 1 + member] = taken & (owner == member)
        held[:, :own, -1] = taken
        if self._law.dependent:
            joint = taken.sum(axis=1) >= 2
            for group in range(1, len(self.information)):
                everything = (held[:, :own, group] == taken).all(axis=1)
                held[:, -1, group] = joint & everything
        return held

    def seal(self) -> SealedTruth:
        """Return a new sealed truth with an empty account."""
        return _PatientTruth(self._law)

    # -- knowing ---------------------------------------------------------------------------

    def assess(
        self, cases: Cases, information: str, agent_id: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return P(option | public findings and those that the group holds), exactly.

        ``agent_id`` is not used: readers have no private noise.

        Returns:
            [N, K] normalized log-probabilities.
        """
        shared, own = len(self.config.public_findings), len(self.config.findings)
        held = cases.evidence.held[:, :own, self.information.index(information)]
        codes = self._law.codes(cases.case_id)
        known = codes.copy()
        known[:, shared:] = np.where(held, codes[:, shared:], 0)
        belief = self._law.table.posterior(np.zeros(cases.n, dtype=np.int64), known)
        return np.take_along_axis(belief, cases.public["shown"], axis=1)

    def reference_values(self) -> Mapping[str, Reference]:
        """Return exact accuracies, by enumeration over all findings and who has them."""
        return self._references

    @cached_property
    def _references(self) -> Mapping[str, Reference]:
        law, c = self._law, self.config
        own = len(c.findings)
        everything = range(own)
        prior = law.table.accuracy(law.public)
        full = self._mean_accuracy([everything])
        shares = [[f for f in everything if f % c.members == m] for m in range(c.members)]
        alone = []
        for share in shares:
            dealt = [share]
            if c.assignment == "random":  # every set of this size is equally likely
                dealt = [list(chosen) for chosen in combinations(everything, len(share))]
            alone.append(self._mean_accuracy(dealt))
        best = max([prior, *alone])
        values = {
            "chance": Reference(1 / law.n_options, "accuracy of a blind guess"),
            "prior": Reference(prior, "accuracy with the public findings alone"),
        }
        for member, value in enumerate(alone, start=1):
            values[f"member_{member}"] = Reference(value, f"accuracy of member {member} alone")
        values["no_communication"] = Reference(best, "accuracy of the best single decider")
        values["independent_pooling"] = Reference(
            self._mean_accuracy([everything], naive=True),
            "accuracy with all single findings, added up as if they were independent",
        )
        values["full_information"] = Reference(full, "accuracy with all findings, read exactly")
        values["perfect_facilitation"] = Reference(
            full - best, "full information minus the best single decider"
        )
        return values

    def _mean_accuracy(self, shares: Sequence[Sequence[int]], naive: bool = False) -> float:
        """Return the accuracy of a reader of equally likely shares, some findings not taken."""
        law, missing = self._law, self.config.missing
        shared, total = len(self.config.public_findings), 0.0
        for share in shares:
            for taken in range(len(share) + 1):
                weight = (1 - missing) ** taken * missing ** (len(share) - taken)
                if weight == 0:
                    continue
                for chosen in combinations(share, taken):
                    seen = law.public.copy()
                    seen[[shared + f for f in chosen]] = True
                    read = (
                        law.table.naive_accuracy(law.public, seen)
                        if naive
                        else law.table.accuracy(seen)
                    )
                    total += weight * read
        return total / len(shares)

    @cached_property
    def _strength(self) -> float:
        """Median spread of a single finding's log-likelihoods over options."""
        law = self._law
        codes = law.table.all_codes()
        codes = codes[(codes > 0).all(axis=1)]
        model = np.zeros(len(codes), dtype=np.int64)
        items = law.table.items(model, np.where(law.public, codes, 0), codes)
        spread = np.ptp(items[:, len(self.config.public_findings) : -1], axis=2)
        return float(max(np.round(np.median(spread), 4), 0.1))

    @property
    def forged_strength(self) -> float:
        """Log-likelihood ratio that a made-up finding claims: the median of real ones."""
        return self._strength

    # -- text ------------------------------------------------------------------------------

    def render_context(self, cases: Cases) -> list[str]:
        """Return the public chart and the question."""
        charts = cases.public["chart"].tolist()
        return [" ".join([*self._chart(chart), self._question()]) for chart in charts]

    def _chart(self, chart: Sequence[int]) -> list[str]:
        names = self.config.public_findings
        return [f"{self._shows(f, code)}." for f, code in zip(names, chart, strict=True)]

    def _question(self) -> str:
        targets = self.config.targets
        if len(targets) > 1:
            return "Which disease does the patient have?"
        return f"Patient: what about {self.net.variable(targets[0]).label}?"

    def _shows(self, finding: str, code: int) -> str:
        variable = self.net.variable(finding)
        state = variable.states[code - 1]
        return f"{variable.label} is {_WORDS.get(state.lower(), state)}"

    def _option_texts(self) -> list[str]:
        targets = [self.net.variable(name) for name in self.config.targets]
        if len(targets) > 1:
            return [target.label for target in targets]
        return [self._shows(targets[0].name, s + 1) for s in range(len(targets[0].states))]

    def render_options(self, cases: Cases) -> list[list[str]]:
        """Return the options in the case's own order, e.g. ``lung cancer``."""
        texts = self._option_texts()
        return [[texts[k] for k in order] for order in cases.public["shown"].tolist()]

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """Return each finding, and the joint reading, as a sentence ('' where hidden)."""
        codes = self._law.codes(cases.case_id)[:, len(self.config.public_findings) :].tolist()
        texts = []
        rows = zip(
            codes,
            cases.evidence.exists.tolist(),
            cases.evidence.llr,
            self.render_options(cases),
            strict=True,
        )
        for row, exists, llr, options in rows:
            items = [
                f"finding: {self._shows(f, code)}" if there else ""
                for f, code, there in zip(self.config.findings, row, exists, strict=False)
            ]
            if self._law.dependent:
                items.append(_joint_reading(llr[-1], options) if exists[-1] else "")
            texts.append(items)
        return texts

    def vocabulary(self) -> Sequence[str]:
        """Return every word of contexts and options."""
        chart = [
            f"{self._shows(f, s + 1)}."
            for f in self.config.public_findings
            for s in range(len(self.net.variable(f).states))
        ]
        texts = [self._question(), *chart, *self._option_texts()]
        return sorted({word for text in texts for word in text.split(" ")})

    def details(self) -> Mapping[str, Any]:
        """Return the net, whether findings are independent, and the reference values."""
        return {
            "net": self.net.name or self.config.net,
            "findings_independent_given_option": not self._law.dependent,
            **super().details(),
        }


class _PatientTruth(SealedTruth):
    """The options that hold, at their dealt positions, recomputed from case ids."""

    def __init__(self, law: PatientLaw) -> None:
        super().__init__()
        self._law = law

    def _truth(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        ids = np.asarray(case_id, dtype=np.int64)
        return np.argmax(self._law.order(ids) == self._law.option(ids)[:, None], axis=1)


def _joint_reading(llr: NDArray[np.float64], options: Sequence[str]) -> str:
    up, down = int(np.argmax(llr)), int(np.argmin(llr))
    factor = float(np.exp(llr[up] - llr[down]))
    return (
        f"joint reading: all findings together make {options[up]} {factor:.3g} times as likely "
        f"against {options[down]} as they would one by one"
    )


def _check(c: DiagnosisConfig) -> None:
    """Raise ConfigError for the first field outside its range."""
    for name, allowed in (("assignment", ("fixed", "random")), ("prior", ("flat", "net"))):
        given = getattr(c, name)
        if given not in allowed:
            raise UnknownNameError(name, given, allowed, f"environment.{name}")
    for name in ("targets", "findings"):
        if not getattr(c, name):
            raise ConfigError(f"environment.{name} is empty; name at least one variable")
    check_ranges(
        [
            ("members", c.members, 1, len(c.findings)),
            ("noise", c.noise, 0, 0.5),
            ("missing", c.missing, 0, 0.99),
        ]
    )


def _check_names(c: DiagnosisConfig, net: BayesNet) -> None:
    used: dict[str, str] = {}
    for key in ("targets", "public_findings", "findings"):
        for name in getattr(c, key):
            net.variable(name, f"environment.{key}")
            if name in used:
                both = f"environment.{used[name]} and environment.{key}"
                raise ConfigError(f"{name!r} is named twice, in {both}")
            used[name] = key
    if len(c.targets) > 1:
        for name in c.targets:
            net.state(name, c.present, "environment.present")

"""Generated juries: every member has a private signal of known accuracy about one bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.beliefs import add_evidence
from environments.core.columns import Columns, frozen
from environments.core.errors import ConfigError, UnknownNameError
from environments.core.keyed import Keyed
from environments.council import Council
from environments.generated import GeneratedEnvironment, check_ranges
from environments.jury import rules
from environments.truth import SealedTruth
from environments.voting import nitzan_paroush_weights

MAJORITY, WEIGHTED, EXPERT = "majority", "weighted", "expert"
RULES = (MAJORITY, WEIGHTED, EXPERT)
_MAX_MEMBERS = 101

NAMES = ("Agnes", "Bruno", "Clara", "David", "Edith", "Felix", "Greta", "Hugo", "Irma", "Jakob")
LOOT = ("letter", "painting", "necklace", "ledger", "violin", "horse", "silver", "map")


@dataclass
class JuryConfig(EnvironmentConfig):
    """Configuration of `Jury`."""

    name: str = "jury"
    n_members: int = 5
    """Members, 1 to 101."""
    accuracy: list[float] = field(default_factory=lambda: [0.6])
    """Probability that a member's signal is right, .01 to .99: one number for all, or one each."""
    correlation: float = 0.0
    """Correlation of members of equal accuracy through a common cause, in [0, 1]; 0 makes signals
    independent, 1 gives all members one and the same."""
    prior: float = 0.5
    """Probability that the option which the public text names as likelier is right, .5 to .99."""
    rule: str = MAJORITY
    """How votes decide: ``majority``, ``weighted`` (by log(p / (1 - p)), with the prior) or
    ``expert`` (the most accurate member's vote)."""


class Jury(GeneratedEnvironment):
    """Jury: n members with private signals of one bit; their votes decide by a rule.

    Spaces: K = 2 options and E = n items; item i is member i's signal, with
    ``llr[i] = log p_i`` for the option it points to and ``log(1 - p_i)`` for the other. The truth
    is one of the two options; if ``prior`` exceeds .5, the public text names the likelier one.
    `council` makes the decision process: the members vote (after rounds of disclosure, if any) and
    the rule decides; reward 1 if right, shared.

    Signals are independent given the truth, or have a common cause (see `rules`). Readers take
    them for independent: with correlation, ``source`` adds up likelihoods that overlap, and the
    reference ``full_information`` is what it would be to know better.

    Information groups: ``public`` (no signal), ``member_1`` … ``member_n`` (one signal each) and
    ``source`` (all signals).

    Raises:
        ConfigError: If a field is outside the range that it documents.
    """

    Config = JuryConfig
    source = "generated; Condorcet 1785, Nitzan & Paroush 1982 (Int. Econ. Rev. 23, 289)"
    config: JuryConfig

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, one group per member, and ``source``."""
        assert isinstance(config, JuryConfig)
        return (PUBLIC, *(f"member_{i + 1}" for i in range(config.n_members)), SOURCE)

    def __init__(self, config: JuryConfig, plan: SplitPlan) -> None:
        _check(config)
        super().__init__(config, plan)
        given = np.asarray(config.accuracy, dtype=np.float64)
        self.accuracy: NDArray[np.float64] = frozen(
            np.broadcast_to(given, (config.n_members,)).copy()
        )
        """[M] probability that each member's signal is right."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """[M] weights of the members' votes under the configured rule."""
        if self.config.rule == WEIGHTED:
            return nitzan_paroush_weights(self.accuracy)
        if self.config.rule == EXPERT:
            return np.eye(len(self.accuracy))[int(np.argmax(self.accuracy))]
        return np.ones(len(self.accuracy))

    def council(self, rounds: int = 0) -> Council:
        """Return the jury as a batched decision process under its rule; see `Council`."""
        return Council(self, rounds, self.weights, use_prior=self.config.rule == WEIGHTED)

    def simulator(self) -> Council:
        """Return the team as a batched decision process: its `council`."""
        return self.council()

    # -- dealing ---------------------------------------------------------------------------

    @property
    def max_options(self) -> int:
        """K = 2."""
        return 2

    @property
    def max_evidence(self) -> int:
        """E, one signal per member."""
        return self.config.n_members

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """Return the cases with these ids; a pure function of each id."""
        ids = np.asarray(case_id, dtype=np.int64)
        n, e = len(ids), self.max_evidence
        points_to = self._signals(ids)
        here = points_to[:, :, None] == np.arange(2)
        p = self.accuracy[:, None]
        held = np.zeros((e, len(self.information)), dtype=bool)
        held[np.arange(e), 1 + np.arange(e)] = True
        held[:, -1] = True
        style = Keyed(self.config.world_seed, "jury.style")
        public = Columns(
            {
                "loot": style.integers(len(LOOT), ids, 0),
                "names": style.permutation(len(NAMES), ids, 1)[:, :2],
                "log_prior": self._log_prior(ids),
            }
        )
        return Cases(
            case_id=frozen(ids),
            n_options=frozen(np.full(n, 2, dtype=np.int64)),
            public=public,
            evidence=Evidence(
                frozen(np.where(here, np.log(p), np.log1p(-p))),
                frozen(np.broadcast_to(held, (n, *held.shape))),
            ),
        )

    def seal(self) -> SealedTruth:
        """Return a new sealed truth with an empty account."""
        return _JuryTruth(self)

    def _likelier(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the option that is likelier beforehand, [N]; each equally often."""
        return Keyed(self.config.world_seed, "jury.likelier").integers(2, ids)

    def _log_prior(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        here = self._likelier(ids)[:, None] == np.arange(2)
        return np.log([1 - self.config.prior, self.config.prior])[here.astype(np.int64)]

    def _truth(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        u = Keyed(self.config.world_seed, "jury.truth").uniform(ids)
        likelier = self._likelier(ids)
        return np.where(u < self.config.prior, likelier, 1 - likelier)

    def _signals(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the option that each member's signal points to, [N, M]."""
        seed, size = self.config.world_seed, (self.config.n_members,)
        u = Keyed(seed, "jury.own").uniform(ids, shape=size)
        if self.config.correlation:
            common = Keyed(seed, "jury.common").uniform(ids)[:, None]
            copies = Keyed(seed, "jury.copies").uniform(ids, shape=size)
            u = np.where(copies < np.sqrt(self.config.correlation), common, u)
        truth = self._truth(ids)[:, None]
        return np.where(u < self.accuracy, truth, 1 - truth)

    # -- knowing ---------------------------------------------------------------------------

    def assess(
        self, cases: Cases, information: str, agent_id: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the public prior plus the signals that the group holds, taken for independent.

        Returns:
            [N, 2] normalized log-probabilities.
        """
        known = cases.evidence.held[:, :, self.information.index(information)]
        prior, llr = cases.public["log_prior"], cases.evidence.llr
        return add_evidence(prior, llr, known, cases.option_mask)

    def reference_values(self) -> Mapping[str, Reference]:
        """Return exact accuracies: chance, the rules on sincere votes, and the optimum.

        ``no_communication`` is the best that one member can do with its own signal and the prior,
        ``full_information`` the best decision from all signals, and ``perfect_facilitation`` what
        the latter adds to the former. References that would need too many patterns of
        votes to enumerate (many members of different accuracy) are left out.
        """
        return self._references

    @cached_property
    def _references(self) -> Mapping[str, Reference]:
        c, p = self.config, self.accuracy
        best = max(c.prior, float(np.max(np.maximum(p, 1 - p))))
        values = {
            "chance": Reference(0.5, "accuracy of a blind guess"),
            "prior": Reference(c.prior, "accuracy of naming the option that is likelier"),
            "expert": Reference(float(p.max()), "accuracy of the most accurate member's signal"),
            "no_communication": Reference(
                best, "accuracy of the best single member with the prior"
            ),
        }
        try:
            majority = rules.majority_accuracy(p, c.correlation)
            weights = nitzan_paroush_weights(p)
            weighted = rules.weighted_accuracy(p, weights, c.prior, c.correlation, use_prior=True)
            optimum = rules.optimal_accuracy(p, c.prior, c.correlation)
        except ConfigError:
            return values
        # One member's signal is among all signals: below 0 is rounding only.
        added = max(optimum - best, 0.0)
        return values | {
            "majority": Reference(majority, "accuracy of a majority of sincere votes"),
            "weighted": Reference(weighted, "accuracy of sincere votes weighted by log odds"),
            "full_information": Reference(optimum, "accuracy of the best use of all signals"),
            "perfect_facilitation": Reference(
                added, "accuracy that the best use of all signals adds to the best single member"
            ),
        }

    @property
    def forged_strength(self) -> float:
        """Log-likelihood ratio of a signal of mean accuracy, taken to be .51 at least."""
        p = max(float(self.accuracy.mean()), 0.51)
        return float(np.log(p / (1 - p)))

    # -- text ------------------------------------------------------------------------------

    def render_context(self, cases: Cases) -> list[str]:
        """Return the question of each case, with the prior where there is one."""
        told = []
        likelier = np.argmax(cases.public["log_prior"], axis=1).tolist()
        stolen = cases.public["loot"].tolist()
        for names, loot, first in zip(self.render_options(cases), stolen, likelier, strict=True):
            text = f"Who stole the {LOOT[loot]}: {names[0]} or {names[1]}?"
            if self.config.prior != 0.5:
                text += f" {self._prior_words} it was {names[first]}."
            told.append(text)
        return told

    @property
    def _prior_words(self) -> str:
        return f"In {100 * self.config.prior:g} of 100 such cases"

    def render_options(self, cases: Cases) -> list[list[str]]:
        """Return the two names of each case."""
        return [[NAMES[i] for i in pair] for pair in cases.public["names"].tolist()]

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """Return the signal of each member as a sentence ('' where hidden)."""
        points_to = np.argmax(cases.evidence.llr * self._polarity, axis=2).tolist()
        percent = [f"{100 * p:g}" for p in self.accuracy.tolist()]
        return [
            [
                f"Signal {i + 1}: member {i + 1}, right {percent[i]} times in 100, saw {names[k]}."
                if there
                else ""
                for i, (k, there) in enumerate(zip(signals, exists, strict=True))
            ]
            for names, signals, exists in zip(
                self.render_options(cases), points_to, cases.evidence.exists.tolist(), strict=True
            )
        ]

    @property
    def _polarity(self) -> NDArray[np.float64]:
        """[M, 1] -1 for members mostly wrong: their signal makes its option less likely; else 1."""
        return np.where(self.accuracy < 0.5, -1.0, 1.0)[:, None]

    def vocabulary(self) -> Sequence[str]:
        """Return every word of contexts and options."""
        names = [f"{name}{mark}" for name in NAMES for mark in ("", "?", ".")]
        fixed = f"Who stole the or {self._prior_words} it was".split(" ")
        return sorted({*fixed, *names, *(f"{loot}:" for loot in LOOT)})


class _JuryTruth(SealedTruth):
    """The truths of generated juries, recomputed from their ids."""

    def __init__(self, jury: Jury) -> None:
        super().__init__()
        self._jury = jury

    def _truth(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._jury._truth(np.asarray(case_id, dtype=np.int64))


def _check(c: JuryConfig) -> None:
    """Raise ConfigError for the first field outside its range."""
    if c.rule not in RULES:
        raise UnknownNameError("rule", c.rule, RULES, "environment.rule")
    if len(c.accuracy) not in (1, c.n_members):
        raise ConfigError(
            f"environment.accuracy has {len(c.accuracy)} numbers; expected 1 for all members or "
            f"{c.n_members}, one each"
        )
    check_ranges(
        (
            ("n_members", c.n_members, 1, _MAX_MEMBERS),
            *((f"accuracy[{i}]", p, 0.01, 0.99) for i, p in enumerate(c.accuracy)),
            ("correlation", c.correlation, 0, 1),
            ("prior", c.prior, 0.5, 0.99),
        )
    )

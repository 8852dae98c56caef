"""Generated hidden profiles: a post, its candidates, and facts that are spread over a team."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.beliefs import add_evidence, log_normalize
from environments.core.columns import Columns, frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.council import Council
from environments.generated import GeneratedEnvironment, check_ranges, reference_ids
from environments.hidden_profile import words
from environments.hidden_profile.discussion import Discussion, discuss
from environments.hidden_profile.profile import (
    HIDDEN,
    MANIFEST,
    PROFILES,
    Facts,
    ProfileLaw,
    Shape,
    log_likelihood,
)
from environments.truth import SealedTruth

SPLIT, FULL = "split", "full"
_MAX_MEMBERS, _MAX_FACTS = 12, 96
_REFERENCE_CASES = 20_000


def member(number: int) -> str:
    """Return the information group of a member, numbered from 1."""
    return f"member_{number}"


@dataclass
class HiddenProfileConfig(EnvironmentConfig):
    """Configuration of `HiddenProfile`.

    The defaults follow the student-president task of Stasser & Titus 1985 in kind, not in detail:
    four members, three candidates, and each member holds a part of the facts only.
    """

    name: str = "hidden_profile"
    n_members: int = 4
    """Members of a team, 2 to 12."""
    n_options: int = 3
    """Candidates, 2 to 8."""
    n_shared: int = 6
    """Facts that every member holds."""
    n_unshared: int = 3
    """Facts that each member holds alone."""
    profile: str = HIDDEN
    """``hidden`` (every member alone prefers the same decoy, all facts together another option),
    ``manifest`` (every member alone prefers the right option) or ``random``."""
    information: str = SPLIT
    """``split`` (unshared facts have one holder) or ``full`` (every member holds every fact: the
    control condition, on the very same cases)."""
    weight: float = 0.5
    """Log-likelihood ratio of a fact of strength 1, in nats."""
    n_levels: int = 3
    """Strengths 1 … n_levels are equally frequent; at most 3."""
    contrary: float = 0.2
    """Share of facts that speak for or against anyone, whatever the profile. With a share near 1
    few proposals are hidden profiles, and many cases take the plain arrangement."""
    neutral: float = 0.2
    """Share of facts that say nothing either way."""
    misjudgement: float = 0.0
    """Standard deviation, in nats per option, of each member's own error in weighing a case."""
    prior_strength: float = 0.0
    """Nats that a public first impression (poor, fair, good: -1, 0, 1) counts."""


class HiddenProfile(GeneratedEnvironment):
    """Hidden profile: shared facts favour a decoy, all facts together the right candidate.

    Spaces: a case has K = ``n_options`` candidates and E = ``n_shared + n_members * n_unshared``
    facts; fact e has ``llr[e, j] = weight * level`` for the candidate j that it is about and 0 for
    the others. The truth is the unique argmax of prior plus all facts, so a team that pools
    everything is always right. Facts are read at face value: as if independent given the right
    candidate, without regard to how profiles come about. `council` makes the team's decision
    process: members disclose or pass each round, then vote; the majority decides; reward 1 if
    right.

    Information groups: ``public`` (no fact), ``member_1`` … ``member_n`` (shared facts and its own)
    and ``source`` (all facts).

    Raises:
        ConfigError: If a field is outside the range that it documents, or if no facts can have the
            profile.
    """

    Config = HiddenProfileConfig
    source = "generated; Stasser & Titus 1985 (JPSP 48, 1467), hidden-profile task"
    config: HiddenProfileConfig

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, one group per member, and ``source``."""
        assert isinstance(config, HiddenProfileConfig)
        return (PUBLIC, *(member(i + 1) for i in range(config.n_members)), SOURCE)

    def __init__(self, config: HiddenProfileConfig, plan: SplitPlan) -> None:
        _check(config)
        super().__init__(config, plan)
        names = Shape.__dataclass_fields__
        self._law = ProfileLaw(Shape(**{n: getattr(config, n) for n in names}), config.world_seed)

    # -- dealing ---------------------------------------------------------------------------

    @property
    def max_options(self) -> int:
        """K, the number of candidates of every case."""
        return self.config.n_options

    @property
    def max_evidence(self) -> int:
        """E, the number of facts of every case."""
        return self._law.n_facts

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """Return the cases with these ids; a pure function of each id."""
        ids = np.asarray(case_id, dtype=np.int64)
        c, n, e = self.config, len(ids), self.max_evidence
        facts = self._law.facts(ids)
        style = Keyed(c.world_seed, "hidden_profile.style")
        start = style.integers(len(words.FOR), ids, 1)
        public = Columns(
            {
                "post": style.integers(len(words.POSTS), ids, 0),
                "names": style.permutation(len(words.NAMES), ids, 2)[:, : c.n_options],
                "impression": facts.impression,
                "trait": (start[:, None] + np.arange(e)) % len(words.FOR),
                # Whom a fact that says nothing is about; drawn apart from all other facts.
                "neutral_about": style.integers(c.n_options, ids, 3, shape=(e,)),
            }
        )
        return Cases(
            case_id=frozen(ids),
            n_options=frozen(np.full(n, c.n_options, dtype=np.int64)),
            public=public,
            evidence=Evidence(
                frozen(log_likelihood(facts, c.weight, c.n_options)), frozen(self._held(facts))
            ),
        )

    def _held(self, facts: Facts) -> NDArray[np.bool_]:
        codes = np.arange(self.config.n_members + 2)
        holder = facts.holder[:, :, None]
        everyone = (holder == 0) | (self.config.information == FULL)
        return ((holder == codes) | everyone | (codes == codes[-1])) & (codes > 0)

    def seal(self) -> SealedTruth:
        """Return a new sealed truth with an empty account."""
        return _ProfileTruth(self._law)

    # -- knowing ---------------------------------------------------------------------------

    def assess(
        self, cases: Cases, information: str, agent_id: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the prior plus the facts that the group holds, for members with misjudgement.

        Args:
            cases: N cases.
            information: An information group.
            agent_id: [N] keys each member's own error, where ``misjudgement`` is positive.

        Returns:
            [N, K] normalized log-probabilities.
        """
        c, mask = self.config, cases.option_mask
        prior = c.prior_strength * cases.public["impression"]
        known = cases.evidence.held[:, :, self.information.index(information)]
        belief = add_evidence(prior, cases.evidence.llr, known, mask)
        if not c.misjudgement or information in (PUBLIC, SOURCE):
            return belief
        draw = Keyed(c.world_seed, "hidden_profile.misjudgement")
        error = draw.normal(cases.case_id, np.asarray(agent_id), shape=(self.max_options,))
        return log_normalize(belief + c.misjudgement * error, mask)

    def council(self, rounds: int = 3) -> Council:
        """Return the team as a batched decision process; see `Council`."""
        return Council(self, rounds)

    def simulator(self) -> Council:
        """Return the team as a batched decision process: its `council`."""
        return self.council()

    def reference_values(self) -> Mapping[str, Reference]:
        """Return accuracies: chance, one member, a vote without words, and full pooling.

        ``no_communication`` is the majority of members who read their own facts at face value;
        ``perfect_facilitation`` is what full pooling adds to it. In hidden and manifest profiles
        without misjudgement they are exact by construction, else estimated.
        """
        return self._references

    @cached_property
    def _references(self) -> Mapping[str, Reference]:
        ids = reference_ids(_REFERENCE_CASES)
        cases, truth = self.deal(ids), self._law.truth(self._law.facts(ids))
        silent = discuss(self, cases, Discussion(rounds=0), seed=0)
        settled = self.config.profile in (HIDDEN, MANIFEST) and not self.config.misjudgement
        n = None if settled else len(ids)

        def share(hit: NDArray[np.bool_], meaning: str) -> Reference:
            return Reference(float(hit.mean()), meaning, exact=settled, n=n)

        alone = share(silent.votes == truth[:, None], "accuracy of one member alone")
        vote = share(silent.choice == truth, "accuracy of a majority vote without any exchange")
        return {
            "chance": Reference(1 / self.max_options, "accuracy of a blind guess"),
            "single_member": alone,
            "no_communication": vote,
            "full_information": Reference(1.0, "accuracy when all facts are pooled, by definition"),
            "perfect_facilitation": Reference(
                1.0 - vote.value, "accuracy that full pooling adds to a vote", settled, n
            ),
        }

    @property
    def forged_strength(self) -> float:
        """Log-likelihood ratio of a fact of mean strength."""
        return self.config.weight * (1 + self.config.n_levels) / 2

    # -- text ------------------------------------------------------------------------------

    def render_context(self, cases: Cases) -> list[str]:
        """Return the question, with first impressions where they count."""
        told = cases.public["impression"].tolist()
        impressions = told if self.config.prior_strength else [None] * cases.n
        rows = zip(cases.public["post"].tolist(), self._names(cases), impressions, strict=True)
        return [words.context(post, names, impression) for post, names, impression in rows]

    def render_options(self, cases: Cases) -> list[list[str]]:
        """Return the candidates' names."""
        return self._names(cases)

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """Return the facts of each case as numbered sentences ('' where hidden)."""
        llr = cases.evidence.llr
        about = np.argmax(np.abs(llr), axis=2)
        strength = np.take_along_axis(llr, about[:, :, None], axis=2)[:, :, 0]
        level = np.rint(strength / self.config.weight).astype(np.int64)
        about = np.where(level == 0, cases.public["neutral_about"], about)
        columns = (about, level, cases.public["trait"], cases.evidence.exists)
        rows = zip(self._names(cases), *(column.tolist() for column in columns), strict=True)
        return [
            [
                words.fact(e + 1, names[option], strong, trait) if there else ""
                for e, (option, strong, trait, there) in enumerate(zip(*facts, strict=True))
            ]
            for names, *facts in rows
        ]

    def vocabulary(self) -> Sequence[str]:
        """Return every word of contexts and options."""
        return words.vocabulary()

    def _names(self, cases: Cases) -> list[list[str]]:
        return [[words.NAMES[i] for i in case] for case in cases.public["names"].tolist()]


class _ProfileTruth(SealedTruth):
    """The full-information answers, recomputed from the ids."""

    def __init__(self, law: ProfileLaw) -> None:
        super().__init__()
        self._law = law

    def _truth(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._law.truth(self._law.facts(np.asarray(case_id, dtype=np.int64)))


def _check(c: HiddenProfileConfig) -> None:
    """Raise ConfigError for the first field outside its range, or for an impossible profile."""
    choices = (("profile", c.profile, PROFILES), ("information", c.information, (SPLIT, FULL)))
    for name, given, allowed in choices:
        if given not in allowed:
            raise ConfigError(f"environment.{name}={given!r} (allowed: {', '.join(allowed)})")
    own = c.n_members * c.n_unshared
    check_ranges(
        (
            ("n_members", c.n_members, 2, _MAX_MEMBERS),
            ("n_options", c.n_options, 2, words.MAX_OPTIONS),
            ("n_shared", c.n_shared, 0 if c.profile != HIDDEN else 1, _MAX_FACTS),
            ("n_unshared", c.n_unshared, 0, _MAX_FACTS),
            ("weight", c.weight, 0.01, 10),
            ("n_levels", c.n_levels, 1, words.MAX_LEVELS),
            ("contrary", c.contrary, 0, 1),
            ("neutral", c.neutral, 0, 0.9),
            ("misjudgement", c.misjudgement, 0, 100),
            ("prior_strength", c.prior_strength, 0, 100),
        )
    )
    if not 1 <= c.n_shared + own <= _MAX_FACTS:
        raise ConfigError(
            f"environment.n_shared={c.n_shared} and n_unshared={c.n_unshared} give a case "
            f"{c.n_shared + own} facts; 1 … {_MAX_FACTS} are allowed"
        )
    if c.profile == MANIFEST and not c.n_shared:
        raise ConfigError("environment.n_shared=0; a manifest profile needs shared facts")
    least = max(c.n_shared, c.n_unshared + 1)
    if c.profile == HIDDEN and not (least < own and c.n_shared * c.n_levels >= least):
        raise ConfigError(
            f"environment.n_shared={c.n_shared}, n_unshared={c.n_unshared} and n_members="
            f"{c.n_members} allow no hidden profile: the shared facts must be able to outweigh one "
            f"member's own ({c.n_unshared}), and be fewer than all members' own ({own})"
        )

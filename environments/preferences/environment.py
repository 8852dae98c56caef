"""Preferences as cases: which of two items does the principal like better?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.columns import Columns, frozen
from environments.core.keyed import Keyed
from environments.generated import GeneratedEnvironment, check_ranges, reference_ids
from environments.preferences.law import A, B, Labels, PreferenceLaw, log_likelihood
from environments.truth import SealedTruth

if TYPE_CHECKING:
    from environments.preferences.simulator import BatchedPreferences

FEATURES = (
    "clarity",
    "honesty",
    "detail",
    "kindness",
    "caution",
    "sources",
    "humour",
    "structure",
    "directness",
    "modesty",
    "tone",
)
"""Features other than the last, in the order in which a configuration takes them."""
LAST = "brevity"
"""The last feature; the two items always differ in it, and labels refer to items by it."""
SUBJECTS = ("cooking", "travel", "history", "music", "law", "medicine", "sailing", "gardening")

_REFERENCE_CASES = 20_000


@dataclass
class PreferencesConfig(EnvironmentConfig):
    """Configuration of `Preferences`."""

    name: str = "preferences"
    n_features: int = 6
    """Features of an item, 2 to 12; the reward is linear in them."""
    n_levels: int = 5
    """Levels of a feature, 2 to 10, equally likely."""
    reward_scale: float = 1.0
    """Length of the principal's weight vector, .01 to 10; the difficulty of a label."""
    n_annotators: int = 4
    """Annotators, 1 to 32; each labels every pair once."""
    rationality_low: float = 0.5
    """β of the least rational annotator, 0 to 10 …"""
    rationality_high: float = 1.5
    """… and of the most rational, at most 10; the others are evenly between."""
    mistake: float = 0.0
    """ε: probability that a label is flipped, 0 to .5."""
    shared_labels: int = 0
    """Labels (of the first annotators) that every annotator has seen, 0 to n_annotators."""


class Preferences(GeneratedEnvironment):
    """Reward modelling: two items with public features, and noisy labels of which is better.

    The principal's reward is linear, R = w · features; its direction w is hidden, uniform on the
    sphere and the same for all cases of a world, so that a learner can infer it across cases. The
    truth is the item of higher reward. Annotator i labels the pair with
    P(A ≻ B) = (1-ε) σ(β_i ΔR) + ε (1 - σ(β_i ΔR)).

    To a reader who does not know w, both items are equally likely to be better (w and -w are), so
    the public prior is flat. Evidence item i is annotator i's label together with how reliable this
    annotator is on this pair, r = P(right); r depends on |ΔR| only, so given r's the labels are
    independent and their log-likelihoods exact.

    Shapes: K = 2, E = ``n_annotators``. Public columns: ``subject`` [N] and ``levels`` [N, 2·D],
    the features of the first item and then of the second. Information groups: ``public``,
    ``annotator_1`` … (own label and the shared ones), ``source`` (all labels). The sequential game
    between a principal and a learning model is `environments.preferences.simulator`.

    Raises:
        ConfigError: If a field is outside the range that it documents.
    """

    Config = PreferencesConfig
    source = "Bradley & Terry 1952; Christiano et al. 2017 (arXiv 1706.03741); B-Pref; generated"
    config: PreferencesConfig

    def __init__(self, config: PreferencesConfig, plan: SplitPlan) -> None:
        _check(config)
        super().__init__(config, plan)
        c = config
        self.law = PreferenceLaw(
            n_features=c.n_features,
            n_levels=c.n_levels,
            reward_scale=c.reward_scale,
            rationality=(c.rationality_low, c.rationality_high),
            mistake=c.mistake,
            n_annotators=c.n_annotators,
            world_seed=c.world_seed,
        )
        self._names = (*FEATURES[: c.n_features - 1], LAST)

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, one group per annotator, ``source``."""
        n = config.n_annotators if isinstance(config, PreferencesConfig) else 0
        return (PUBLIC, *(f"annotator_{i}" for i in range(1, n + 1)), SOURCE)

    # -- dealing ---------------------------------------------------------------------------

    @property
    def max_options(self) -> int:
        """K, the two items of a pair."""
        return 2

    @property
    def max_evidence(self) -> int:
        """E, the number of annotators."""
        return self.config.n_annotators

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """Return the cases with these ids; a pure function of each id."""
        ids = np.asarray(case_id, dtype=np.int64)
        c = self.config
        items = np.arange(c.n_annotators)
        held = np.zeros((len(ids), c.n_annotators, len(self.information)), dtype=bool)
        held[:, :, 1:-1] = (items[:, None] == items) | (items[:, None] < c.shared_labels)
        held[:, :, -1] = True
        topic = Keyed(c.world_seed, "preferences.subject")
        levels = self.law.levels(ids)
        return Cases(
            case_id=frozen(ids),
            n_options=frozen(np.full(len(ids), 2, dtype=np.int64)),
            public=Columns(
                {
                    "subject": topic.integers(len(SUBJECTS), ids),
                    "levels": levels.reshape(len(ids), 2 * c.n_features),
                }
            ),
            evidence=Evidence(frozen(log_likelihood(self._labels(ids, levels))), frozen(held)),
        )

    def _labels(self, ids: NDArray[np.int64], levels: NDArray[np.int64]) -> Labels:
        return self.law.labels(ids, self.law.gap(levels, self.law.weights()))

    def seal(self) -> PreferencesTruth:
        """Return a new sealed truth with an empty account."""
        return PreferencesTruth(self.law)

    def differences(self, cases: Cases) -> NDArray[np.float64]:
        """Return features of the first minus features of the second item, [N, D]; public."""
        features = self.law.features(self._levels(cases))
        return features[:, A] - features[:, B]

    def preferred(self, cases: Cases) -> NDArray[np.int64]:
        """Return what each label says, [N, E]: `A`, `B`, or -1 where the label is hidden.

        What a learner may use with `differences` to infer the reward; it spends no truth.
        """
        named = np.argmax(cases.evidence.llr, axis=2)
        even = cases.evidence.llr[:, :, A] == cases.evidence.llr[:, :, B]
        return np.where(cases.evidence.exists & ~even, named, -1)

    # -- knowing ---------------------------------------------------------------------------

    def reference_values(self) -> Mapping[str, Reference]:
        """Return accuracies of naming the better item."""
        return self._references

    @cached_property
    def _references(self) -> Mapping[str, Reference]:
        ids = reference_ids(_REFERENCE_CASES)
        n = len(ids)
        cases = self.deal(ids)
        labels = self._labels(ids, self._levels(cases))
        # Over principals, as every game has its own.
        gap = self.law.gap(self._levels(cases), self.law.weights(ids))
        truth = PreferencesTruth(self.law)._truth(ids)
        right = np.exp(labels.log_right)
        votes = (labels.prefers == truth[:, None]).sum(axis=1) / self.max_evidence
        majority = np.where(votes == 0.5, 0.5, votes > 0.5)
        # The posterior after all labels is calibrated, so its maximum is the chance to be right.
        posterior = self.assess(cases, SOURCE, np.zeros(n, dtype=np.int64)).max(axis=1)
        full, single = float(np.exp(posterior).mean()), float(right[:, -1].mean())

        def about(value: float, meaning: str) -> Reference:
            return Reference(value, meaning, exact=False, n=n)

        return {
            "chance": Reference(0.5, "accuracy of a blind guess"),
            "no_communication": about(single, "accuracy of the most rational annotator alone"),
            "majority": about(float(majority.mean()), "accuracy of a majority of the labels"),
            "full_information": about(full, "accuracy of all labels, weighted by reliability"),
            "perfect_facilitation": about(full - single, "accuracy that pooling labels adds"),
            "optimum": Reference(1.0, "accuracy with the principal's reward known"),
            "regret_untaught": Reference(
                float(np.abs(gap).mean()) / 2,
                "regret on a pair of a learner that knows nothing",
                exact=False,
                n=n,
                share=False,
            ),
            "regret_informed": Reference(
                0.0, "regret with the principal's reward known", share=False
            ),
        }

    @property
    def forged_strength(self) -> float:
        """Log-odds of a label by the most rational annotator on a pair of typical gap."""
        size = np.array(np.sqrt(2.0) * self.config.reward_scale)
        right, wrong = self.law.log_reliability(size, self.law.annotator_rationality()[-1:])
        return max(float(right[0] - wrong[0]), 0.01)

    # -- playing ---------------------------------------------------------------------------

    def simulator(self) -> BatchedPreferences:
        """Return N of its games as a batched decision process; see `BatchedPreferences`."""
        from environments.preferences.simulator import (
            BatchedPreferences,  # which stands on this module
        )

        return BatchedPreferences(self)

    # -- text ------------------------------------------------------------------------------

    def render_context(self, cases: Cases) -> list[str]:
        """Return the question of each case."""
        return [
            f"Which answer about {SUBJECTS[s]} does the principal like better?"
            for s in cases.public["subject"].tolist()
        ]

    def render_options(self, cases: Cases) -> list[list[str]]:
        """Return both items as features and levels, e.g. ``clarity 3 honesty 0 brevity 4``."""
        return [
            [
                " ".join(f"{name} {level}" for name, level in zip(self._names, item, strict=True))
                for item in pair
            ]
            for pair in self._levels(cases).tolist()
        ]

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """Return each label as a sentence ('' where hidden), its reliability in whole per cent."""
        named = np.argmax(cases.evidence.llr, axis=2)
        brevity = np.take_along_axis(self._levels(cases)[:, :, -1], named, axis=1)
        percent = np.rint(100 * np.exp(cases.evidence.llr.max(axis=2))).astype(np.int64)
        columns = (percent, brevity, cases.evidence.exists)
        return [
            [
                f"Annotator {i}, right {right} times in 100 on such pairs, "
                f"prefers the answer with {LAST} {level}."
                if there
                else ""
                for i, (right, level, there) in enumerate(zip(*row, strict=True), start=1)
            ]
            for row in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def vocabulary(self) -> Sequence[str]:
        """Return every word of contexts and options."""
        fixed = "Which answer about does the principal like better?"
        levels = [str(level) for level in range(self.config.n_levels)]
        return sorted({*fixed.split(), *SUBJECTS, *self._names, *levels})

    def _levels(self, cases: Cases) -> NDArray[np.int64]:
        flat = cases.public["levels"]
        return flat.reshape(len(flat), 2, self.config.n_features)


class PreferencesTruth(SealedTruth):
    """The better items of generated pairs and the principals' rewards, from the ids."""

    def __init__(self, law: PreferenceLaw) -> None:
        super().__init__()
        self._law = law

    def _truth(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        levels = self._law.levels(np.asarray(case_id, dtype=np.int64))
        return self._law.better(self._law.gap(levels, self._law.weights()))

    def reveal_weights(self, purpose: str, principal: ArrayLike = 0) -> NDArray[np.float64]:
        """Return reward weights [..., D] of principals (0 is the cases' own) and charge each."""
        self.spent[purpose] += int(np.size(principal))
        return self._law.weights(principal)


def _check(c: PreferencesConfig) -> None:
    """Raise ConfigError for the first field outside its range."""
    check_ranges(
        (
            ("n_features", c.n_features, 2, len(FEATURES) + 1),
            ("n_levels", c.n_levels, 2, 10),
            ("reward_scale", c.reward_scale, 0.01, 10),
            ("n_annotators", c.n_annotators, 1, 32),
            ("rationality_low", c.rationality_low, 0, 10),
            ("rationality_high", c.rationality_high, c.rationality_low, 10),
            ("mistake", c.mistake, 0, 0.5),
            ("shared_labels", c.shared_labels, 0, c.n_annotators),
        )
    )

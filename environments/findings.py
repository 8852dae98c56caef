"""Discrete findings about a question: exact likelihoods of every subset of them, by table.

A small joint distribution of (option, finding 1 … F) is stretched by one state a finding, "not
observed", in which that finding is summed out. A row of codes (0 not observed, 1 + s for state s)
is then one position of a table, so what any reader concludes from any subset of findings is exact
and costs a look-up. Split-evidence diagnosis and plan explanation both stand on it.

An item of evidence has a single log-likelihood per option, and whoever adds items up assumes that
they are independent given the option. Findings rarely are. So each finding carries its *marginal*
log-likelihood (given what is public), and one further item, the *joint reading*, carries what all
of them together say beyond that. Who knows all findings knows it too; a reader who only adds the
single findings is a naive Bayesian, and how much that costs is in the reference values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.core.beliefs import log_normalize
from environments.core.columns import frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_CODES = 200_000
"""Largest number of code rows, Π(states + 1), that a table may have."""
INDEPENDENT = 1e-9
"""Corrections below this (nats) are rounding: the findings are independent given the option."""


class FindingTable:
    """Exact likelihoods of all subsets of findings, for T models at once.

    Args:
        joint: [T, K, S_1 … S_F] probability of (option, findings) in each model; each model sums to
            one. An option of probability zero does not exist in that model.

    Attributes:
        log_prior: [T, K] log-probabilities of the options, -inf where there is none.
        log_likelihood: [T, C, K] log P(the findings of code row c | option); 0 where there is no
            such option, -inf where the findings are impossible under it.
        sizes: Number of codes of each finding, S_f + 1.
    """

    def __init__(self, joint: Floats) -> None:
        stretched = np.asarray(joint, dtype=np.float64)
        for axis in range(2, stretched.ndim):
            hidden = stretched.sum(axis=axis, keepdims=True)
            stretched = np.concatenate([hidden, stretched], axis=axis)
        self.sizes = stretched.shape[2:]
        models, options = stretched.shape[:2]
        flat = np.moveaxis(stretched.reshape(models, options, -1), 1, 2)
        prior = flat[:, :1]
        there = prior > 0
        with np.errstate(divide="ignore"):
            ratio = np.where(there, flat / np.where(there, prior, 1.0), 1.0)
            self.log_likelihood: Floats = frozen(np.log(ratio))
            self.log_prior: Floats = frozen(np.log(prior[:, 0]))
        self._strides = np.array(
            [int(np.prod(self.sizes[f + 1 :])) for f in range(len(self.sizes))], dtype=np.int64
        )

    @property
    def n_findings(self) -> int:
        """F."""
        return len(self.sizes)

    def all_codes(self) -> Ints:
        """Return every row of codes in table order, shape [C, F]."""
        grid = np.indices(self.sizes, dtype=np.int64)
        return grid.reshape(self.n_findings, -1).T

    def exists(self, model: Ints) -> NDArray[np.bool_]:
        """Return which options exist, shape [N, K]."""
        return np.isfinite(self.log_prior)[model]

    def likelihood(self, model: Ints, codes: Ints) -> Floats:
        """Return log P(observed findings | option), shape [N, K].

        Args:
            model: [N] which model each row is about.
            codes: [N, F] 0 for not observed, 1 + s for state s.
        """
        place = np.zeros(len(codes), dtype=np.int64)
        for f, stride in enumerate(self._strides.tolist()):
            place = place + codes[:, f] * stride
        return self.log_likelihood[model, place]

    def posterior(self, model: Ints, codes: Ints) -> Floats:
        """Return normalized log P(option | observed findings), shape [N, K]."""
        total = self.log_prior[model] + self.likelihood(model, codes)
        return log_normalize(total, self.exists(model))

    def items(self, model: Ints, public: Ints, codes: Ints) -> Floats:
        """Return the log-likelihoods of the single findings and of the joint reading.

        Finding f has ``log P(f | option, public)``: its marginal likelihood, the other private
        findings summed out. The joint reading has what is left, so that the sum over all items is
        exactly ``log P(private findings | option, public)``.

        Args:
            model: [N] models.
            public: [N, F] codes known to everybody.
            codes: [N, F] codes of all observed findings, the public ones included.

        Returns:
            [N, F + 1, K]; zero for a finding that is public or not observed.
        """
        base = self.likelihood(model, public)
        whole = self.likelihood(model, codes) - base
        items = np.zeros((len(codes), self.n_findings + 1, base.shape[1]))
        rest = whole
        for f in range(self.n_findings):
            alone = public.copy()
            alone[:, f] = codes[:, f]
            items[:, f] = self.likelihood(model, alone) - base
            rest = rest - items[:, f]
        items[:, -1] = rest
        return items

    def dependence(self, public: ArrayLike) -> float:
        """Return the largest correction (nats) that any joint reading makes.

        Zero (up to rounding) says that findings are independent given option and public findings,
        so that adding single findings is exact.

        Args:
            public: [F] which findings are public in every case.
        """
        shared = np.asarray(public, dtype=bool)
        codes = self.all_codes()
        codes = codes[(codes[:, shared] > 0).all(axis=1)]
        worst = 0.0
        for t in range(len(self.log_prior)):
            model = np.full(len(codes), t, dtype=np.int64)
            rest = self.items(model, np.where(shared, codes, 0), codes)[:, -1]
            worst = max(worst, float(np.abs(rest).max(initial=0.0)))
        return worst

    def accuracy(self, observed: ArrayLike, model: int = 0) -> float:
        """Return how often the best guess from a subset of findings is right, exactly.

        ``Σ_codes max_k P(k, codes)`` over all states of the observed findings, where the table is
        the law by which cases come about.

        Args:
            observed: [F] which findings are observed.
            model: Which model.
        """
        seen = np.asarray(observed, dtype=bool)
        codes = self.all_codes()
        rows = np.flatnonzero(((codes > 0) == seen).all(axis=1))
        weight = np.exp(self.log_prior[model] + self.log_likelihood[model, rows])
        return float(weight.max(axis=1).sum())

    def naive_accuracy(self, public: ArrayLike, observed: ArrayLike, model: int = 0) -> float:
        """Return how often a reader is right who adds single findings and no joint reading.

        Args:
            public: [F] findings known to everybody.
            observed: [F] findings that the reader has, the public ones included.
            model: Which model.
        """
        shared, seen = np.asarray(public, dtype=bool), np.asarray(observed, dtype=bool)
        codes = self.all_codes()
        codes = codes[((codes > 0) == seen).all(axis=1)]
        models = np.full(len(codes), model, dtype=np.int64)
        known = np.where(shared, codes, 0)
        items = self.items(models, known, codes)
        belief = self.log_prior[model] + self.likelihood(models, known) + items[:, :-1].sum(axis=1)
        weight = np.exp(self.log_prior[model] + self.likelihood(models, codes))
        # Options that tie in belief share the guess.
        best = belief >= belief.max(axis=1, keepdims=True) - INDEPENDENT
        return float((np.where(best, weight, 0.0).sum(axis=1) / best.sum(axis=1)).sum())


def confuse(joint: Floats, axis: int, error: float) -> Floats:
    """Return a joint distribution in which one finding is misread with probability ``error``.

    A misread finding shows one of its other states, each equally likely.

    Args:
        joint: Any joint distribution.
        axis: The finding's axis, of S states.
        error: Probability in [0, 1].
    """
    states = joint.shape[axis]
    total = joint.sum(axis=axis, keepdims=True)
    other = error / max(states - 1, 1)
    return (1 - error - other) * joint + other * total if states > 1 else joint

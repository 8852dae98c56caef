"""How the facts of generated hidden profiles come about.

Facts are proposed at random and kept if the case has the profile that was asked for; a case that
never comes out right in `ATTEMPTS` proposals takes a plain arrangement that always does. Every draw
is keyed by (world seed, case id, attempt), so a case is a pure function of its id. This module sees
the truth; it is reached from `HiddenProfile.deal`, which keeps the facts only, and from the sealed
truth, and from nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from environments.core.keyed import Keyed

HIDDEN, RANDOM, MANIFEST = "hidden", "random", "manifest"
PROFILES = (HIDDEN, RANDOM, MANIFEST)
ATTEMPTS = 40
_SHARED = 0
"""Holder code of a fact that all members hold; member i has code i."""
_UNIQUE = 1e-9
"""Least lead of a unique best option."""


@dataclass(frozen=True)
class Shape:
    """Size and difficulty; see `HiddenProfileConfig` for the meaning of each field."""

    n_members: int
    n_options: int
    n_shared: int
    n_unshared: int
    profile: str
    weight: float
    n_levels: int
    contrary: float
    neutral: float
    prior_strength: float


@dataclass(frozen=True)
class Facts:
    """The facts of N cases."""

    about: NDArray[np.int64]
    """[N, E] option that each fact is about."""
    level: NDArray[np.int64]
    """[N, E] strength for (> 0) or against (< 0) that option."""
    holder: NDArray[np.int64]
    """[N, E] 0 where all members hold the fact, i where only member i does."""
    impression: NDArray[np.int64]
    """[N, K] the public first impression of each option: -1, 0 or 1."""

    def take(self, rows: NDArray[np.int64]) -> Facts:
        """Return the facts of the selected cases."""
        return Facts(*(getattr(self, f.name)[rows] for f in fields(self)))


class ProfileLaw:
    """Draws the facts of a case and knows the full-information answer.

    Every fact is about one option j and carries the log-likelihood ratio ``weight * level`` for j
    over any other option. The truth is the option with the greatest sum over all facts and the
    prior; it is unique.

    With a target option t and a decoy d, both uniform, a shared fact of a hidden profile speaks for
    d or against t, an unshared one for t or against d; all facts of a manifest profile speak for t
    or against d; those of a random one for or against anyone. A share ``contrary`` of the facts
    speaks for or against anyone in any profile, and a share ``neutral`` says nothing.

    Args:
        shape: Size and difficulty.
        world_seed: Keys all draws.
    """

    def __init__(self, shape: Shape, world_seed: int) -> None:
        self.shape = shape
        self._seed = world_seed
        own = np.repeat(np.arange(1, shape.n_members + 1), shape.n_unshared)
        self._slots = np.concatenate([np.full(shape.n_shared, _SHARED), own]).astype(np.int64)

    @property
    def n_facts(self) -> int:
        """E, the number of facts of a case."""
        return len(self._slots)

    def facts(self, case_id: NDArray[np.int64]) -> Facts:
        """Return the facts of each case in an order that does not tell who holds them."""
        plain = self._plain(case_id)
        parts = {f.name: getattr(plain, f.name).copy() for f in fields(plain)}
        missing = np.arange(len(case_id))
        for attempt in range(ATTEMPTS):
            proposal = self._propose(case_id[missing], attempt)
            fits = self._fits(proposal)
            for name, whole in parts.items():
                whole[missing[fits]] = getattr(proposal, name)[fits]
            missing = missing[~fits]
            if not len(missing):
                break
        order = Keyed(self._seed, "hidden_profile.order").permutation(self.n_facts, case_id)
        for name in ("about", "level", "holder"):
            parts[name] = np.take_along_axis(parts[name], order, axis=1)
        return Facts(**parts)

    def truth(self, facts: Facts) -> NDArray[np.int64]:
        """Return the full-information answer of each case, shape [N]."""
        return np.argmax(self._scores(facts)[1], axis=1)

    def favourite(self, facts: Facts, member: int) -> NDArray[np.int64]:
        """Return what a member prefers alone, or with member 0 what shared facts favour, [N].

        Where several options are tied, the answer is -1.
        """
        return _favourite(self._scores(facts)[0][:, member])

    def _targets(
        self, case_id: NDArray[np.int64], attempt: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        k = self.shape.n_options
        draw = Keyed(self._seed, "hidden_profile.target")
        target = draw.integers(k, case_id, attempt, 0)
        away = draw.integers(k - 1, case_id, attempt, 1)
        return target, (target + 1 + away) % k

    def _propose(self, case_id: NDArray[np.int64], attempt: int) -> Facts:
        s, size = self.shape, (self.n_facts,)
        target, decoy = (option[:, None] for option in self._targets(case_id, attempt))
        draw = Keyed(self._seed, "hidden_profile.fact")

        def uniform(code: int) -> NDArray[np.float64]:
            return draw.uniform(case_id, attempt, code, shape=size)

        lures = (s.profile == HIDDEN) & (self._slots == _SHARED)
        liked, disliked = np.where(lures, decoy, target), np.where(lures, target, decoy)
        praises = uniform(0) < 0.5
        about = np.where(praises, liked, disliked)
        anyone = (uniform(1) < s.contrary) | (s.profile == RANDOM)
        about = np.where(anyone, np.floor(uniform(2) * s.n_options).astype(np.int64), about)
        strength = 1 + np.floor(uniform(3) * s.n_levels).astype(np.int64)
        strength = np.where(uniform(4) < s.neutral, 0, strength)
        impression = np.zeros((len(case_id), s.n_options), dtype=np.int64)
        if s.prior_strength:
            prior = Keyed(self._seed, "hidden_profile.impression")
            impression = prior.integers(3, case_id, attempt, shape=(s.n_options,)) - 1
        level = np.where(praises, strength, -strength)
        return Facts(about, level, np.broadcast_to(self._slots, about.shape), impression)

    def _fits(self, facts: Facts) -> NDArray[np.bool_]:
        alone, everything = self._scores(facts)
        fits = _lead(everything) > _UNIQUE
        if self.shape.profile == RANDOM:
            return fits
        favourites = _favourite(alone)
        shared = favourites[:, _SHARED]
        manifest = self.shape.profile == MANIFEST
        fits &= (shared >= 0) & ((shared == np.argmax(everything, axis=1)) == manifest)
        return fits & (favourites == shared[:, None]).all(axis=1)

    def _plain(self, case_id: NDArray[np.int64]) -> Facts:
        """Return the arrangement that always fits: praise only, one option per side."""
        s, n = self.shape, len(case_id)
        target, decoy = self._targets(case_id, -1)
        shared = self._slots == _SHARED
        level = np.ones(self.n_facts, dtype=np.int64)
        about = np.broadcast_to(target[:, None], (n, self.n_facts))
        if s.profile == HIDDEN:
            # The decoy must outweigh any one member's own facts, but not all of them.
            total = max(s.n_shared, s.n_unshared + 1)
            each, extra = divmod(total, s.n_shared)
            level[shared] = each + (np.arange(s.n_shared) < extra)
            about = np.where(shared, decoy[:, None], target[:, None])
        return Facts(
            about,
            np.broadcast_to(level, about.shape),
            np.broadcast_to(self._slots, about.shape),
            np.zeros((n, s.n_options), dtype=np.int64),
        )

    def _scores(self, facts: Facts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is known, prior included, as a score of each option.

        Returns:
            [N, 1 + n, K] from the shared facts alone (0) and with each member's own (1 … n), and
            [N, K] from all facts. Levels are added as whole numbers, so their order is irrelevant.
        """
        s, n = self.shape, len(facts.level)
        holders = s.n_members + 1
        place = (np.arange(n)[:, None] * holders + facts.holder) * s.n_options + facts.about
        total = np.bincount(place.ravel(), facts.level.ravel(), n * holders * s.n_options)
        by_holder = total.reshape(n, holders, s.n_options)
        alone = by_holder.copy()
        alone[:, 1:] += by_holder[:, :1]
        prior = s.prior_strength * facts.impression
        return s.weight * alone + prior[:, None], s.weight * by_holder.sum(axis=1) + prior


def log_likelihood(facts: Facts, weight: float, n_options: int) -> NDArray[np.float64]:
    """Return the log-likelihood of every fact under every option, [N, E, K], in nats."""
    here = np.arange(n_options) == facts.about[:, :, None]
    return np.where(here, weight * facts.level[:, :, None], 0.0)


def _lead(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the best option leads the second best, shape of score less the last."""
    ranked = np.sort(score, axis=-1)
    return np.asarray(ranked[..., -1] - ranked[..., -2])


def _favourite(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the best option, -1 where several are tied."""
    return np.where(_lead(score) > _UNIQUE, np.argmax(score, axis=-1), -1)

"""The sceptical Bayesian: knows that who quotes has chosen, and reads silence as bad news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import require
from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.evidence import Quoted, from_others, hear_quotes, is_real, item_support
from agents.policies.numeric import Bools, Floats, log_normalize, support
from coordination.cohort import Asks

_SLACK = 1e-9
"""Support (nats) by which a withheld item may exceed the weakest quoted one: rounding only."""


@dataclass
class ScepticalConfig(BayesianConfig):
    """Configuration of `Sceptical`."""

    name: str = "sceptical"
    items: int = 0
    """Items of evidence that the judge thinks the speakers hold; 0 for as many as a case of this
    world can have."""
    quotes_per_message: int = 2
    """Quotes that the judge thinks fit in a message: whoever gives fewer has no more to give."""
    reliability_low: float = 0.6
    """The judge thinks that an item speaks for the truth with a probability drawn uniformly from
    this …"""
    reliability_high: float = 0.9
    """… to this, and otherwise for another option."""


class Sceptical(Bayesian):
    """Selection-aware exact Bayesian: models that each speaker chose what it quoted.

    Its model of a speaker is the partisan `Expert`: it holds all items, quotes the strongest that
    support its stance first, never one that does not, and stops only when none is left or a
    message is full. So an item that nobody quoted has, for the stance s of each speaker, a support
    of at most t_s: 0 if a message of the speaker had room left, else that of the weakest item
    that the speaker quoted; options that nobody argued for set no bound. Items are independent
    given the truth; one points to option d with P(d | truth) = r if d is the truth, otherwise
    (1 - r) / (K - 1), r uniform on [``reliability_low``, ``reliability_high``], and its support
    for d is log r (K - 1) / (1 - r).
    Hence

        log posterior_k = assessment_k + Σ_quoted llr_k + n log P(item is not quoted | truth = k)

    for n items that were neither quoted nor held by the judge itself, up to a constant. Where this
    model gives the silence no chance under any option (both sides of two claim to have said
    everything) the silence says nothing. What is quoted counts as in `Bayesian`.

    With unlimited verifiable disclosure one consultant is enough: what it withholds gives it away
    (unravelling). That the speaker also chose its *side* is not modelled: sides are dealt by a
    coin. Of a speaker of another kind (who throws the debate, or says what hurts it) the model is
    wrong, and so may be the judge: see `agents.policies.best_response`.

    Raises:
        ConfigError: For a negative weight or count, or reliabilities that are not
            0 < low <= high < 1.
    """

    Config: ClassVar[type] = ScepticalConfig
    source: ClassVar[str] = "Milgrom 1981, Bell J. Econ. 12; Grossman 1981, J. Law Econ. 24"
    config: ScepticalConfig

    def __init__(self, config: ScepticalConfig, seed: int) -> None:
        super().__init__(config, seed)
        low, high = config.reliability_low, config.reliability_high
        allowed = "probabilities, 0 < reliability_low <= reliability_high < 1"
        require(0 < low <= high < 1, "sceptical.reliability_low", (low, high), allowed)
        require(config.items >= 0, "sceptical.items", config.items, "a count >= 0")
        full = config.quotes_per_message
        require(full >= 1, "sceptical.quotes_per_message", full, "a count >= 1")

    def posterior(self, asks: Asks) -> Floats:
        """Return normalized log-probabilities after what was said and what was not, [B, K]."""
        quoted = hear_quotes(asks, self.config.credulity, self.config.unverified_weight)
        heard = asks.assessment + item_support(asks, quoted)
        return log_normalize(heard + self.silence(asks, quoted), asks.option_mask)

    def silence(self, asks: Asks, quoted: Quoted) -> Floats:
        """Return what the items that nobody quoted say of each option, [B, K] log-likelihoods."""
        known: Bools = np.greater(quoted.items, 0) | asks.held
        if known.shape[1] == 0:  # a world without evidence: there is nothing to withhold
            return np.zeros(asks.assessment.shape)
        n_items = self.config.items or known.shape[1]
        missing = np.maximum(n_items - known.sum(axis=1), 0)[:, None]
        bounds = self._bounds(asks)
        spoken = np.asarray(np.isfinite(bounds).any(axis=1))[:, None]
        missing = np.where(spoken, missing, 0)
        unquoted = self._unquoted(bounds, asks.n_options)
        impossible = np.asarray((unquoted <= 0).all(axis=1))[:, None]
        with np.errstate(divide="ignore"):
            told = missing * np.where(missing > 0, np.log(np.where(impossible, 1.0, unquoted)), 0.0)
        return np.where(asks.option_mask & (missing > 0), told, 0.0)

    def _bounds(self, asks: Asks) -> Floats:
        """Return the greatest support for each option that an unquoted item can have, [B, K]."""
        heard = asks.heard
        bounds = np.full(asks.assessment.shape, np.inf)
        speaks = from_others(asks) & (heard.stance >= 0)
        row, side = heard.row[speaks], heard.stance[speaks]
        quotes = heard.quotes[speaks]
        counts = is_real(asks, quotes)
        if asks.verification:
            counts &= heard.verified[speaks]
        helps = support(asks.llr, asks.option_mask)
        value = helps[row[:, None], np.where(counts, quotes, 0), side[:, None]]
        weakest = np.where(counts, value, np.inf).min(axis=1, initial=np.inf)
        np.minimum.at(bounds, (row, side), np.maximum(weakest, 0.0))
        ended = counts.sum(axis=1) < self.config.quotes_per_message
        bounds[row[ended], side[ended]] = 0.0
        return bounds

    def _unquoted(self, bounds: Floats, n_options: NDArray[np.int64]) -> Floats:
        """Return the probability that an item stays unquoted under each truth, [B, K]."""
        low, high = self.config.reliability_low, self.config.reliability_high
        others = np.maximum(n_options - 1, 1)[:, None]
        # The reliability at which an item that points to an option has just this support.
        with np.errstate(over="ignore"):
            odds = np.exp(np.minimum(bounds + _SLACK, 700.0))
        limit = np.clip(odds / (odds + others), low, high)
        share = (limit - low) / (high - low) if high > low else (odds / (odds + others) >= high) * 1
        weak = share * (low + limit) / 2  # E[r; an item for this option is too weak to be quoted]
        exists = np.arange(bounds.shape[1]) < n_options[:, None]
        elsewhere = np.where(exists, (share - weak) / others, 0.0)
        total = np.zeros(len(bounds))
        for k in range(bounds.shape[1]):  # option by option: the same bits in every batch
            total = total + elsewhere[:, k]
        return np.where(exists, weak + total[:, None] - elsewhere, 0.0)

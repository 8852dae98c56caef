"""Best response: an expert who chooses what to reveal and what to hide, knowing its judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import require
from agents.policies.bayesian import Bayesian
from agents.policies.expert import Expert, ExpertConfig
from agents.policies.numeric import Bools, Floats, log_normalize, ordered_sum, pick
from agents.policies.sceptical import Sceptical, ScepticalConfig
from coordination.cohort import Asks, Heard
from coordination.messages import MessageKind
from environments.base import NO_QUOTE

Items = NDArray[np.int64]
"""[B, Q] positions of items to quote, `NO_QUOTE` padding."""

ERROR, WIN = "error", "win"
JUDGES: dict[str, type[Bayesian]] = {"selection_unaware": Bayesian, "sceptical": Sceptical}
"""Models of the judge that an expert can respond to."""

_GAIN = 1e-12
"""Improvement (nats) below which the smaller or earlier disclosure is kept."""


@dataclass
class BestResponseConfig(ExpertConfig):
    """Configuration of `BestResponse`. ``strategy`` and ``variety`` have no effect here."""

    name: str = "best_response"
    goal: str = ERROR
    """error (a speaker against its own belief makes the judge's belief in the right answer, as the
    speaker sees it, as small as it can against the best rival) or win (every speaker makes the
    judge's belief in its stance as great as it can). With two options both are the same."""
    judge: str = "selection_unaware"
    """The judge that it expects: selection_unaware (`Bayesian`) or sceptical (`Sceptical`)."""
    model: ScepticalConfig = field(default_factory=ScepticalConfig)
    """That judge's parameters, as in the judge's own configuration."""
    exact_up_to: int = 300
    """Disclosures (sets of items that fit in a message) up to which all are tried; beyond that, a
    beam search."""
    beam: int = 8
    """Width of the beam search; 1 is greedy."""


class BestResponse(Expert):
    """Expert whose every message is the disclosure that serves it best, after what was said so far.

    For each set of at most ``quotes_per_message`` items that it holds and nobody has quoted, be
    they for its stance or against it, it computes what the judge would believe after a message
    quoting just these: with the judge's own code, from the judge's prior (its own belief less the
    evidence it holds), all that it heard itself, and this message. It says the best set; of
    equally good ones the smallest. It does not look beyond its own message: an opponent who speaks
    at the same time and its own later rounds are left out of account.

    Against a selection-unaware judge of two options this is the partisan `Expert`, item by item: a
    scripted liar is the worst that there is. Elsewhere it is worse: of more options it fights the
    right answer with whatever speaks for any other, and before a sceptical judge it weighs what
    each quote gives away about the rest. (With two options a sceptical judge leaves it next to
    nothing to gain: that is unravelling.)

    All else (stances, honesty, fabrication, collusion, words) is `Expert`'s.

    Raises:
        ConfigError: For an unknown goal or judge, or a count below 1.
    """

    Config: ClassVar[type] = BestResponseConfig
    source: ClassVar[str] = "Bayesian persuasion by disclosure: Milgrom & Roberts 1986, RAND J. 17"
    config: BestResponseConfig

    def __init__(self, config: BestResponseConfig, seed: int) -> None:
        super().__init__(config, seed)
        name = config.name
        require(config.goal in (ERROR, WIN), f"{name}.goal", config.goal, f"{ERROR} or {WIN}")
        known = " or ".join(JUDGES)
        require(config.judge in JUDGES, f"{name}.judge", config.judge, known)
        for key in ("exact_up_to", "beam"):
            require(
                getattr(config, key) >= 1, f"{name}.{key}", getattr(config, key), "a count >= 1"
            )
        self._judge = JUDGES[config.judge](config.model, seed)

    def _pick(
        self, asks: Asks, stance: NDArray[np.int64], best: NDArray[np.int64], usable: Bools
    ) -> Items:
        n_items = usable.shape[1]
        most = min(self.config.quotes_per_message, n_items)
        situation = _Situation.of(asks, stance, best, usable, self.config.goal, self._judge)
        sets = sum(comb(n_items, size) for size in range(most + 1))
        if sets <= self.config.exact_up_to:
            return best_of(situation, enumerated(n_items, most))
        return beam_search(situation, most, self.config.beam)


@dataclass
class StrategicConfig(BestResponseConfig):
    """Configuration of `Strategic`."""

    name: str = "strategic"
    goal: str = WIN


class Strategic(BestResponse):
    """Expert who reveals and hides whatever makes its judge believe most in its stance.

    `BestResponse` with the goal ``win``: honest or not, it plays to win.
    """

    Config: ClassVar[type] = StrategicConfig
    source: ClassVar[str] = "Bayesian persuasion by disclosure: Milgrom & Roberts 1986, RAND J. 17"


@dataclass(frozen=True)
class _Situation:
    """What a speaker knows when it chooses: whom it speaks to, for what, with what."""

    asks: Asks
    """As the judge would be asked now: its prior, nothing held."""
    speaker: int
    stance: NDArray[np.int64]
    target: NDArray[np.int64]
    """[B] option whose odds against its best rival are at stake …"""
    sign: Floats
    """[B] … to be raised (1) or lowered (-1)."""
    usable: Bools
    """[B, E]"""
    judge: Bayesian

    @staticmethod
    def of(
        asks: Asks,
        stance: NDArray[np.int64],
        best: NDArray[np.int64],
        usable: Bools,
        goal: str,
        judge: Bayesian,
    ) -> _Situation:
        mine = ordered_sum(np.where(asks.held[:, :, None], asks.llr, 0.0), 1)
        against = (stance != best) & (goal == ERROR)
        return _Situation(
            asks=replace(
                asks,
                intent=MessageKind.RULING,
                seat="judge",
                assessment=log_normalize(asks.assessment - mine, asks.option_mask),
                held=np.zeros_like(asks.held),
            ),
            speaker=asks.seats.index(asks.seat) if asks.seat in asks.seats else -1,
            stance=stance,
            target=np.where(against, best, stance),
            sign=np.where(against, -1.0, 1.0),
            usable=usable,
            judge=judge,
        )

    def allowed(self, quotes: Items) -> Bools:
        """Return the rows in which all of these items can be quoted, [B]."""
        fine = np.take_along_axis(self.usable, np.maximum(quotes, 0), axis=1)
        return (fine | (quotes == NO_QUOTE)).all(axis=1)

    def value(self, quotes: Items) -> Floats:
        """Return what the speaker gains by a message with these quotes, [B]; -inf if it cannot."""
        asks = replace(self.asks, heard=self._heard_with(quotes))
        belief = self.judge.posterior(asks)
        others = np.arange(belief.shape[1]) != self.target[:, None]
        rival = np.where(others & asks.option_mask, belief, -np.inf).max(axis=1, initial=-np.inf)
        with np.errstate(invalid="ignore"):
            gained = self.sign * (pick(belief, self.target) - rival)
        return np.where(self.allowed(quotes) & ~np.isnan(gained), gained, -np.inf)

    def _heard_with(self, quotes: Items) -> Heard:
        """Return what the judge has heard after such a message (which comes last, out of order)."""
        asks, heard = self.asks, self.asks.heard
        n, width = asks.n, max(heard.quotes.shape[1], quotes.shape[1])
        codes = np.full((heard.n + n, width), NO_QUOTE, dtype=np.int64)
        codes[: heard.n, : heard.quotes.shape[1]] = heard.quotes
        codes[heard.n :, : quotes.shape[1]] = quotes
        marks = np.zeros(codes.shape, dtype=bool)
        marks[: heard.n, : heard.quotes.shape[1]] = heard.verified
        marks[heard.n :] = asks.verification & (codes[heard.n :] >= 0)
        return replace(
            heard,
            row=np.concatenate([heard.row, np.arange(n)]),
            sender=np.concatenate([heard.sender, np.full(n, self.speaker)]),
            stance=np.concatenate([heard.stance, self.stance]),
            quotes=codes,
            verified=marks,
        )


def enumerated(n_items: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield every set of at most ``most`` of ``n_items`` items, small sets first."""
    for size in range(most + 1):
        yield from combinations(range(n_items), size)


def best_of(situation: _Situation, sets: Iterator[tuple[int, ...]]) -> Items:
    """Return each row's best set of items; the earlier of equally good ones."""
    found = list(sets)
    rows, most = situation.asks.n, max(map(len, found))
    chosen = np.full((rows, most), NO_QUOTE, dtype=np.int64)
    top = np.full(rows, -np.inf)
    for items in found:
        quotes = np.full((rows, most), NO_QUOTE, dtype=np.int64)
        quotes[:, : len(items)] = items
        chosen, top = _better(chosen, top, quotes, situation.value(quotes))
    return chosen


def beam_search(situation: _Situation, most: int, width: int) -> Items:
    """Return a good set of items for each row, found by adding one item at a time.

    After each item the ``width`` best sets are kept; the best set of any size is returned.

    Args:
        situation: Who speaks to whom.
        most: Items that fit in a message.
        width: Sets that are kept.
    """
    rows, n_items = situation.usable.shape
    beam = np.full((1, rows, most), NO_QUOTE, dtype=np.int64)
    chosen, top = beam[0], situation.value(beam[0])
    for _ in range(most):
        grown, values = [], []
        for quotes in beam:
            for item in range(n_items):
                longer = quotes.copy()
                longer[:, 0] = item  # sorted sets have their free places in front
                longer.sort(axis=1)
                twice = ((longer[:, 1:] == longer[:, :-1]) & (longer[:, 1:] >= 0)).any(axis=1)
                value = np.where(twice, -np.inf, situation.value(longer))
                grown.append(longer)
                values.append(value)
                chosen, top = _better(chosen, top, longer, value)
        beam = _best_distinct(np.stack(grown), np.stack(values), width)
    return chosen


def _best_distinct(sets: Items, values: Floats, width: int) -> Items:
    """Return each row's best different sets, [width, B, Q], of sorted candidates [C, B, Q]."""
    for _ in range(2):  # equal sets have equal values: sorted, they lie side by side
        order = np.argsort(-values, axis=0, kind="stable")
        sets = np.take_along_axis(sets, order[:, :, None], axis=0)
        values = np.take_along_axis(values, order, axis=0)
        values[1:][(sets[1:] == sets[:-1]).all(axis=2)] = -np.inf
    return sets[:width]


def _better(chosen: Items, top: Floats, quotes: Items, value: Floats) -> tuple[Items, Floats]:
    wins = value > top + _GAIN
    return np.where(wins[:, None], quotes, chosen), np.where(wins, value, top)

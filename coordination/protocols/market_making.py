"""Market making: a market predicts what the judge will believe, an adversary moves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.messages import Argument, Label, MessageKind
from coordination.protocols import recursion
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow, said_by
from coordination.room import Room
from coordination.said import Said
from environments.decomposition import Decomposable

Floats = NDArray[np.float64]


@dataclass
class MarketMakingConfig(ProtocolConfig):
    """Configuration of `MarketMaking`."""

    name: str = "market_making"
    rounds: int = 2
    """Arguments of the adversary, T."""
    candidates: int = 1
    """Arguments that the adversary drafts for each one that it makes; the market is probed with
    each, and the one that moves its price most is said."""
    adversary: str = "free"
    """free (argues for what it likes) or assigned (a coin that does not know the truth says for
    which option, and so against which)."""
    parts: bool = True
    """Where claims split, the first argument is what the market itself says of the parts."""


class MarketMaking(Protocol):
    """The market states prices, the adversary adds the argument that moves them most, T times.

    Prices p_t = M(Q_t) predict what the judge will finally believe; x_t = Adv(Q_t, M) is added to
    what the judge hears, Q_{t+1} = Q_t + x_t; at the end the judge decides, p* = H(Q_T). The judge
    does not hear the prices. Each step is myopic, with the losses of `market_losses`.

    Where claims split into sub-claims, the first argument is Hubinger's second kind: the market's
    own prices for the parts, each from a room of its own, which the judge only has to add up.

    Turns (2 rounds, a claim that does not split)::

        turn  seat       kind      sees
        0     market     label     -
        1     adversary  argument  market 0
        2     market     label     adversary 1
        3     adversary  argument  market 0+2
        4     market     label     adversary 1+3
        5     judge      ruling    adversary 1+3

    A claim that splits has one more turn per part between 0 and 1: the market's ``answer``, heard
    by the adversary and the judge; in the parts' rooms the market decides in turn 0.

    Its value: at equilibrium (prices that no argument moves) the market predicts the true sum at
    once, in turn 0, though the judge never adds more than the parts of one node.

    Source: Hubinger 2020, "AI safety via market making"; scoring as in Sudhir et al. 2025.
    """

    Config = MarketMakingConfig
    name = "market_making"
    seats = ("market", "adversary", "judge")
    source = "Hubinger 2020, AI safety via market making (Alignment Forum)"

    def __init__(self, config: MarketMakingConfig) -> None:
        super().__init__(config)
        self.rounds = self._at_least_one("rounds", config.rounds)
        self.candidates = self._at_least_one("candidates", config.candidates)
        stance = self._one_of("adversary", config.adversary, ("free", "assigned"))
        self.assigned = stance == "assigned"
        self.parts = config.parts

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        if self.assigned:
            room.assign_stances("adversary")
        splits = np.zeros(room.n, dtype=bool)
        if self.parts and isinstance(room.environment, Decomposable):
            splits = room.environment.n_children(room.cases) > 0
        room.speak("market", Label, to=("adversary",))
        for number in range(self.rounds):
            whole = splits if number == 0 else np.zeros(room.n, dtype=bool)
            if whole.any():
                self._price_parts(room.where(whole))
            if not whole.all():
                self._argue(room.where(~whole))
            room.speak("market", Label, to=("adversary",))
        room.decide("judge")

    def _price_parts(self, room: Room) -> None:
        kids, _ = recursion.split(room, self.name)
        kids.decide("market")
        room.absorb(kids, "market", to=("adversary", "judge"))
        room.speak("adversary", Argument)

    def _argue(self, room: Room) -> None:
        if self.candidates == 1:
            room.speak("adversary", Argument)
            return
        price = room.probe("market").probs
        drafts: list[Said] = []
        moves: list[Floats] = []
        for _ in range(self.candidates):
            drafts.append(room.draft("adversary", Argument))
            then = room.probe("market", given=drafts[-1]).probs
            moves.append(np.nan_to_num(total_variation(price, then), nan=-1.0))
        best = np.argmax(np.stack(moves), axis=0)
        for number, draft in enumerate(drafts):
            room.where(best == number).say(draft)

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`; a claim that does not split."""
        rows = [TurnRow(0, "market", Label)]
        for number in range(self.rounds):
            turn = 2 * number + 1
            rows.append(TurnRow(turn, "adversary", Argument, said_by(rows, "market")))
            rows.append(TurnRow(turn + 1, "market", Label, said_by(rows, "adversary")))
        last = TurnRow(len(rows), "judge", MessageKind.RULING, said_by(rows, "adversary"))
        return [*rows, last]


def total_variation(p: Floats, q: Floats) -> Floats:
    """Return ½ Σ_k |p_k - q_k| over the last axis; with two options |p - q|."""
    difference = np.abs(p - q)
    total = np.zeros(difference.shape[:-1])
    for option in range(difference.shape[-1]):
        total = total + difference[..., option]
    return total / 2


def market_losses(prices: Floats, final: Floats) -> tuple[Floats, Floats]:
    """Return the losses of market and adversary at every step; each step is judged for itself.

    With two options they are Hubinger's: L_M,t = -p* log p_t - (1 - p*) log(1 - p_t) and
    L_Adv,t = -|p_{t+1} - p_t|; with more, cross-entropy and total variation.

    Args:
        prices: [T + 1, N, K] prices before every argument and after the last.
        final: [N, K] what the judge believes at the end, p*.

    Returns:
        Losses [T + 1, N] of the market (nats) and [T, N] of the adversary.
    """
    with np.errstate(divide="ignore"):
        surprise = -np.log(prices)
    market = np.zeros(prices.shape[:-1])
    for option in range(prices.shape[-1]):
        weight = np.broadcast_to(final[:, option], market.shape)
        loss = np.where(weight > 0, surprise[..., option], 0.0)
        market = market + weight * loss
    return market, -total_variation(prices[1:], prices[:-1])


def score_argued_against(final: Floats, argued: NDArray[np.int64]) -> tuple[NDArray, Floats]:
    """Return the option that each run argued against, and its score in that run.

    An option is scored by what is left of it in the run whose adversary argues against it: the
    judge's final probability (Sudhir et al. 2025).

    Args:
        final: [N, 2] final beliefs.
        argued: [N] option that the adversary was assigned to argue for.

    Raises:
        ValueError: If there are not two options.
    """
    if final.shape[1] != 2:
        raise ValueError(f"an adversary argues against one of 2 options, not of {final.shape[1]}")
    against = 1 - argued
    return against, np.take_along_axis(final, against[:, None], axis=1)[:, 0]

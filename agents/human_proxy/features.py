"""Summary features: what a decision is predicted from when a person is cloned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.human_proxy.statements import claims, first_by_row, latest_by_seat, statements
from agents.policies.evidence import hear_quotes, item_support
from agents.policies.numeric import Floats, log_normalize
from coordination.cohort import Asks
from environments.core.columns import frozen

FEATURES: dict[str, str] = {
    "prior": "log-probability that the person gave the option alone (at least ln 1e-6)",
    "verified": "sum of the log-likelihoods of quotes that the environment has marked",
    "unmarked": "the same sum over quotes without a mark, forged ones included",
    "advice": "mean over advisers of the probability in their latest statement, less 1/K",
    "first": "probability in the first statement heard, less 1/K (anchoring)",
    "last": "probability in the last statement heard, less 1/K (recency)",
    "voices": "share of the messages with a stance that are for the option",
    "words": "words said for the option, in hundreds",
    "shown_first": "1 for the option presented first",
}
"""Feature to meaning. Each is a number per option, so one coefficient serves any number of
options."""

FLOOR = float(np.log(1e-6))


def summary_features(asks: Asks) -> Floats:
    """Return the features of every option, shape [B, K, F]; 0 for options that do not exist.

    Evidence without numeric likelihood adds nothing. A row whose own assessment is undefined is
    NaN: nobody knows what that person thought.
    """
    mask = asks.option_mask
    shape = mask.shape
    lonely = np.asarray(np.isnan(asks.assessment).any(axis=1))
    found = np.zeros((*shape, len(FEATURES)))
    put = {name: found[:, :, place] for place, name in enumerate(FEATURES)}
    put["prior"][:] = np.maximum(log_normalize(asks.assessment, mask), FLOOR)
    # `hear_quotes` weighs unmarked quotes in rooms with marks, and all in rooms without.
    marked = hear_quotes(asks, credulity=0.0, unverified_weight=0.0)
    every = hear_quotes(asks, credulity=1.0, unverified_weight=1.0)
    known = _with_numbers(asks)
    verified = item_support(known, marked)
    put["verified"][:] = verified
    put["unmarked"][:] = item_support(known, every) - verified
    _add_statements(asks, put)
    own = asks.seats.index(asks.seat) if asks.seat in asks.seats else -1
    taken = np.flatnonzero((asks.heard.stance >= 0) & (asks.heard.sender != own))
    row, stance = asks.heard.row[taken], asks.heard.stance[taken]
    place = row * shape[1] + stance
    voices = np.bincount(place, minlength=mask.size).reshape(shape)
    total = np.bincount(row, minlength=asks.n)[:, None]
    put["voices"][:] = voices / np.maximum(total, 1)
    words = np.bincount(place, weights=asks.heard.words[taken], minlength=mask.size)
    put["words"][:] = words.reshape(shape) / 100.0
    put["shown_first"][:] = np.arange(shape[1]) == asks.option_order[:, :1]
    found = np.where(mask[:, :, None], found, 0.0)
    return np.where(lonely[:, None, None], np.nan, found)


def _with_numbers(asks: Asks) -> Asks:
    if not np.isnan(asks.llr).any():
        return asks
    return replace(asks, llr=frozen(np.nan_to_num(asks.llr, nan=0.0)))


def _add_statements(asks: Asks, put: dict[str, Floats]) -> None:
    message = statements(asks)
    if not len(message):
        return
    flat = (1.0 / np.maximum(asks.n_options, 1))[:, None]
    latest = latest_by_seat(asks, message)
    count = (latest >= 0).sum(axis=1)
    total = np.zeros(asks.option_mask.shape)
    for seat in range(latest.shape[1]):
        rows = np.flatnonzero(latest[:, seat] >= 0)
        total[rows] += claims(asks, latest[rows, seat], rows) - flat[rows]
    put["advice"][:] = total / np.maximum(count, 1)[:, None]
    for name, chosen in (("first", first_by_row(asks, message)), ("last", latest.max(axis=1))):
        rows = np.flatnonzero(chosen >= 0)
        put[name][rows] = claims(asks, chosen[rows], rows) - flat[rows]

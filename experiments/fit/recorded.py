"""What a run's recorded decisions can be fitted to: a proxy, plain noise, a clone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agents.human_proxy.advice import Advice
from agents.human_proxy.choose import Choose
from agents.human_proxy.cloning import ClonedPerson
from agents.human_proxy.features import FEATURES, summary_features
from agents.human_proxy.logit import ChoiceLogit, fit_choice_logit
from agents.human_proxy.update import Update
from agents.policies.numeric import pick
from environments.core.errors import ConfigError
from experiments.fit.base import SMALL, Floats
from experiments.fit.choices import UPDATE
from experiments.fit.estimation import estimate
from experiments.fit.ledger import Recorded, Recording
from experiments.fit.parameters import Estimate, Fit, Parameter, choose_parameters
from experiments.fit.response import Response

PROXY = "human_proxy"
NOISE = "noisy_rational"
CLONE = "behaviour_cloning"

RECORDED: dict[str, tuple[str, str]] = {
    PROXY: (
        "weights of prior, evidence and advice of a proxy that makes these choices (β = 1 sets "
        "the scale)",
        f"{Update.source}; {Advice.source}",
    ),
    NOISE: ("how sharply the choices follow the reported probabilities", Choose.source),
    CLONE: ("multinomial logistic choice on summary features", ClonedPerson.source),
}
"""Models of recorded decisions: what they tell, and source."""

CERTAIN = 0.99
"""With half of the choices at least this probable, slips aside, their noise gives no scale."""

PARAMETERS = (
    *UPDATE,
    Parameter("anchor", "anchoring index", 0.0, 0.0, 1.0, free=False, reference=".49",
              key="anchor.weight"),
    Parameter("advice", "w, weight on advice", 0.3, 0.0, 1.0, reference=".39 [.37, .42]",
              key="advice.weight"),
    Parameter("beta", "β, rationality", 1.0, 0.0, free=False, reference="1 (B-Pref)",
              key="choose.beta"),
    Parameter("mistake", "ε, chance to name another option than meant", 0.05, 0.0, 0.5,
              reference=".1 (B-Pref)", key="choose.mistake"),
)  # fmt: skip


def fit_recording(
    model: str,
    recording: Recording,
    *,
    preset: str = "rational",
    fixed: Mapping[str, float] | None = None,
    freed: tuple[str, ...] = (),
    intervals: str = "profile",
    draws: int = 200,
    seed: int = 0,
) -> Fit:
    """Fit `PROXY` or `NOISE` to recorded decisions.

    Args:
        model: `PROXY` or `NOISE`.
        recording: The decisions.
        preset: Gives the proxy's stages that are not estimated (what it perceives, remembers).
        fixed: Parameters held at a value.
        freed: Parameters let go that are held otherwise.
        intervals: See `experiments.fit.estimation`; the bootstrap resamples agents if there are
            at least ten, rows otherwise.
        draws: Resamples of the bootstrap.
        seed: Keys the search and the resamples.

    Raises:
        ConfigError: For another model, or no usable decision.
    """
    parts, notes = _usable(recording)
    agents = np.concatenate([part.asks.agent_id for part in parts])
    unique, group = np.unique(agents, return_inverse=True)
    if len(unique) < 10:
        group = np.arange(len(agents))
        notes.append(f"{len(unique)} agents: rows are taken as independent")
    if model == PROXY:
        parameters: tuple[Parameter, ...] = PARAMETERS
        likelihood = _Proxies(parts, preset).log_likelihood
    elif model == NOISE:
        unsaid = sum(int(np.isnan(part.probs).any(axis=1).sum()) for part in parts)
        if unsaid:
            notes.append(f"{unsaid} choices come without reported probabilities and say nothing")
        parameters = tuple(
            p if p.name == "mistake" else replace(p, free=True)
            for p in PARAMETERS
            if p.name in ("beta", "mistake")
        )
        likelihood = _Reports(parts).log_likelihood
    else:
        raise ConfigError(f"model {model!r}: recorded decisions are fitted by {PROXY} or {NOISE}")
    fit = estimate(
        model,
        likelihood,
        choose_parameters(parameters, fixed or {}, freed),
        group.astype(np.int64),
        intervals=intervals,
        draws=draws,
        seed=seed,
        notes=notes,
    )
    if model != PROXY or fit["beta"].free:
        return fit
    values = {e.name: e.value for e in fit.estimates} | {"mistake": 0.0}
    if np.median(likelihood(values)) < np.log(CERTAIN):
        return fit
    told = (
        f"WARNING: do not use these numbers: the choices are (nearly) deterministic, and β is held "
        f"at {fit['beta'].value:g}; their noise sets the scale of the weights, and there is none"
    )
    return replace(fit, notes=(*fit.notes, told), trusted=False)


def _usable(recording: Recording) -> tuple[list[Recorded], list[str]]:
    notes = list(recording.notes)
    parts = []
    silent = 0
    for part in recording.parts:
        fine = (part.choice >= 0) & ~np.isnan(part.asks.assessment).any(axis=1)
        silent += int((~fine).sum())
        if fine.any():
            rows = np.flatnonzero(fine)
            parts.append(Recorded(part.asks.take(rows), part.choice[rows], part.probs[rows]))
    if silent:
        notes.append(f"{silent} rows without a decision or without a numeric prior left out")
    if not parts:
        raise ConfigError("the ledger has no decision with a numeric prior to fit")
    return parts, notes


class _Proxies:
    """The likelihood of choices under a human proxy."""

    def __init__(self, parts: list[Recorded], preset: str) -> None:
        self.parts = [(part, Response(part.asks, preset)) for part in parts]

    def log_likelihood(self, values: Mapping[str, float]) -> Floats:
        choose = Choose(values["beta"], values["mistake"], 0.0, 0.0, 0)
        told = []
        for part, response in self.parts:
            chance = choose.distribution(part.asks, response.believe(values))
            told.append(np.log(np.maximum(pick(chance, part.choice), SMALL)))
        return np.concatenate(told)


class _Reports:
    """The likelihood of choices given the reported probabilities."""

    def __init__(self, parts: list[Recorded]) -> None:
        self.parts = parts

    def log_likelihood(self, values: Mapping[str, float]) -> Floats:
        choose = Choose(values["beta"], values["mistake"], 0.0, 0.0, 0)
        told = []
        for part in self.parts:
            with np.errstate(divide="ignore"):
                belief = np.log(part.probs)
            chance = pick(choose.distribution(part.asks, belief), part.choice)
            told.append(np.log(np.maximum(np.nan_to_num(chance, nan=1.0), SMALL)))
        return np.concatenate(told)


def fit_clone(recording: Recording, ridge: float = 1e-3) -> tuple[ChoiceLogit, Fit]:
    """Clone the recorded person; intervals are ± 1.96 standard errors.

    Returns:
        The model, to be saved, and its coefficients as a fit.
    """
    parts, notes = _usable(recording)
    width = max(part.asks.option_mask.shape[1] for part in parts)
    x = np.concatenate([_padded(summary_features(part.asks), width) for part in parts])
    mask = np.concatenate([_padded(part.asks.option_mask, width) for part in parts])
    choice = np.concatenate([part.choice for part in parts])
    model = fit_choice_logit(x, mask, choice, tuple(FEATURES), ridge)
    still = [
        name
        for place, name in enumerate(FEATURES)
        if np.ptp(np.where(mask, x[:, :, place], np.nan)[mask]) == 0
    ]
    if still:
        notes.append(f"never vary in these data, so stay at 0: {', '.join(still)}")
    estimates = tuple(
        Estimate(name, b, b - 1.96 * e, b + 1.96 * e, True, False, FEATURES[name], "", "")
        for name, b, e in zip(
            FEATURES, model.coefficients.tolist(), model.standard_errors().tolist(), strict=True
        )
    )
    agents = len(np.unique(np.concatenate([part.asks.agent_id for part in parts])))
    fit = Fit(CLONE, model.n, agents, model.log_likelihood, "information", estimates, tuple(notes))
    return model, fit


def _padded(array: np.ndarray, width: int) -> Any:
    missing = width - array.shape[1]
    pads = [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, pads)

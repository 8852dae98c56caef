"""What a conversation did to its decider: gain, persuasion, reliance, influence, and its price."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from environments.truth import CLIP
from experiments.analysis import team_metrics as team
from experiments.analysis.beliefs import Advice, Before, advice, before, influences
from experiments.analysis.bootstrap import CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.ledger_view import arguing_sides

WOA_CLIP = (0.0, 1.0)
"""Weight of advice is cut to this range."""
_NO_ADVICE = "there was no single adviser who spoke for an option"


def reliance_metrics(
    tables: Mapping[str, Columns],
    verdict: Columns,
    bootstrap: CrossedBootstrap,
    alone: Columns | None,
) -> dict[str, Estimate]:
    """Return the metrics of `experiments.analysis.applicability.METRICS` that compare a decision.

    Args:
        tables: The ledger.
        verdict: Rows of `ledger_view.verdicts` with costs, of one conversation and split.
        bootstrap: Resamples of the split.
        alone: Verdicts of rooms in which nobody spoke, of all conversations on the split.
    """
    first = before(tables, verdict, alone)
    told = advice(tables, verdict)
    return {
        **_persuasion(tables, verdict, bootstrap, first),
        **_complementarity(verdict, bootstrap, first, told),
        **_reliance(verdict, bootstrap, first, told),
        **_influence(tables, verdict, bootstrap),
        **_price(verdict, bootstrap),
    }


def _grid(boot: CrossedBootstrap, verdict: Columns, values: NDArray) -> NDArray[np.float64]:
    return boot.axes.grid(verdict["replicate"], verdict["case_id"], values)


def _persuasion(
    tables: Mapping[str, Columns], verdict: Columns, boot: CrossedBootstrap, first: Before
) -> dict[str, Estimate]:
    names = ("persuasion", "persuasion_truth", "persuasion_falsehood")
    if first.reason:
        return dict.fromkeys(names, Estimate.missing(first.reason))
    sides = arguing_sides(tables, verdict)
    row, side = sides["row"], sides["side"]
    moved = team.persuasion(first.probs[row], verdict["probs"][row], side)
    truthful = side == verdict["truth"][row]
    found = {}
    for name, use in zip(names, (np.ones(len(row), bool), truthful, ~truthful), strict=True):
        use = use & ~np.isnan(moved)
        total = np.bincount(row[use], weights=moved[use], minlength=verdict.n)
        count = np.bincount(row[use], minlength=verdict.n)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(count > 0, total / count, np.nan)
        found[name] = boot.estimates(_grid(boot, verdict, mean)[None], "no such side argued")[0]
    return found


def _correct(verdict: Columns, choice: NDArray[np.int64], known: NDArray) -> NDArray[np.float64]:
    return np.where(known, choice == verdict["truth"], np.nan)


def _complementarity(
    verdict: Columns, boot: CrossedBootstrap, first: Before, told: Advice
) -> dict[str, Estimate]:
    final = verdict["correct"].astype(np.float64)
    human = _correct(verdict, first.choice, first.known)
    ai = _correct(verdict, told.option, told.option >= 0)
    found = {
        "initial_accuracy": boot.proportions(
            _grid(boot, verdict, human)[None], first.reason or "unknown"
        )[0],
        "advice_accuracy": boot.proportions(_grid(boot, verdict, ai)[None], _NO_ADVICE)[0],
    }
    known = ~np.isnan(human)
    found["augmentation"] = _contrast(boot, verdict, [final, human], known, first.reason)
    found["synergy"] = _contrast(
        boot, verdict, [final, human, ai], known & ~np.isnan(ai), first.reason or _NO_ADVICE
    )
    return found


def _contrast(
    boot: CrossedBootstrap,
    verdict: Columns,
    parts: list[NDArray[np.float64]],
    use: NDArray[np.bool_],
    reason: str,
) -> Estimate:
    """Return augmentation (two parts) or synergy (three) over the rows in use."""
    if not use.any():
        return Estimate.missing(reason or "no decision has all parts")
    grids = np.stack([_grid(boot, verdict, np.where(use, part, np.nan)) for part in parts])
    draws, means = boot.means(grids), np.nanmean(grids, axis=(1, 2))
    contrast = team.augmentation if len(parts) == 2 else team.synergy
    return boot.estimate(float(contrast(*means)), contrast(*draws), int(use.sum()))


def _reliance(
    verdict: Columns, boot: CrossedBootstrap, first: Before, told: Advice
) -> dict[str, Estimate]:
    advised = told.option >= 0
    found = team.appropriate_reliance(
        _correct(verdict, first.choice, first.known),
        _correct(verdict, told.option, advised),
        verdict["correct"].astype(np.float64),
    )
    lacking = first.reason or ("" if advised.any() else _NO_ADVICE)
    shares = {
        "rair": (found.rair, "the decider was never wrong alone where the advice was right"),
        "rsr": (found.rsr, "the decider was never right alone where the advice was wrong"),
        "under_reliance": (found.under_reliance, "RAIR is undefined"),
        "over_reliance": (found.over_reliance, "RSR is undefined"),
    }
    metrics = {
        name: boot.proportions(_grid(boot, verdict, values)[None], lacking or reason)[0]
        for name, (values, reason) in shares.items()
    }
    place = np.maximum(told.option, 0)[:, None]
    start, end = (
        np.take_along_axis(probs, place, axis=1)[:, 0] for probs in (first.probs, verdict["probs"])
    )
    weight = team.weight_of_advice(start, told.probability, end, WOA_CLIP)
    nothing = lacking or "no advice stated another probability than the decider's own"
    metrics["woa"] = boot.estimates(_grid(boot, verdict, weight)[None], nothing)[0]
    return metrics


def _influence(
    tables: Mapping[str, Columns], verdict: Columns, boot: CrossedBootstrap
) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for kind, (whole, without) in influences(tables, verdict).items():
        moved = {
            "tv": team.total_variation(whole, without),
            "kl": team.kl_divergence(whole, without, CLIP),
        }
        for name, values in moved.items():
            grid = _grid(boot, verdict, values)[None]
            found[f"influence_{name}_{kind}"] = boot.estimates(grid)[0]
    reason = "the conversation asked for no influence probes (influence: true)"
    for name in ("influence_tv", "influence_kl"):
        kinds = [e for key, e in found.items() if key.startswith(name) and e.value is not None]
        found[name] = (
            max(kinds, key=lambda e: e.value or 0.0) if kinds else Estimate.missing(reason)
        )
    return found


def _price(verdict: Columns, boot: CrossedBootstrap) -> dict[str, Estimate]:
    right = verdict["correct"].astype(np.float64)
    found = {}
    for name, column in (("accuracy_per_kiloword", "words"), ("accuracy_per_kilotoken", "tokens")):
        cost = verdict[column].astype(np.float64) / 1000.0
        if cost.sum() <= 0:
            found[name] = Estimate.missing(f"no {column} were spent", verdict.n)
            continue
        grids = np.stack([_grid(boot, verdict, right), _grid(boot, verdict, cost)])
        sums = boot.sums(grids)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = sums[0] / sums[1]
        found[name] = boot.estimate(float(right.sum() / cost.sum()), draws, verdict.n)
    return found

"""``summary.json``: every metric of a run under a flat, readable name.

Names::

    primary.difference                       X accuracy of the first arm minus the second, paired
    primary.difference_bootstrap             the same, crossed over cases and seeds
    primary.detectable                       minimum detectable difference
    secondary.A4-A2.difference, .p_holm      …
    verdicts.debate-naive.difference         judge accuracy of two conversations, paired;
                                             .difference_bootstrap and .p_holm beside it
    check.C1.difference                      paired over seeds
    check.C1.difference_bootstrap            crossed over cases and seeds; the check rests on it
    check.C1.holds                           1 if the expectation holds, 0 if it fails, null if
                                             neither is shown
    arm.A4.test_accuracy, arm.A4.pgr …       see `experiments.analysis.arms.ArmResult`
    arm.A4.curve.tick_0004                   accuracy on the curve split
    conversation.debate.judge_accuracy …     on teaching cases
    conversation.debate.test.judge_accuracy  on test cases
    training.debate.gain                     what training added to the judge, paired over seeds
    conversation.debate.fault.verdict.unparsable
    episodes.silent.reward                   mean of a measure of episodes
    episodes.silent.reward.regret.REFERENCE  how much worse than the environment's reference
    episodes.call-silent.reward.difference   first minus second, paired over seeds; .p_holm
    truth_spent.warm_start                   truths revealed, by purpose

A run that asked model endpoints has ``endpoints`` beside ``metrics``: calls, tokens and price of
each agent, see `experiments.analysis.endpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments.cases import Split
from environments.core.columns import Columns
from experiments.analysis.analysis import Analysis, analyse
from experiments.analysis.comparisons import Comparison
from experiments.analysis.endpoints import endpoint_costs
from experiments.analysis.episodes import EpisodesAnalysis, EpisodesComparison
from experiments.analysis.estimate import Estimate
from experiments.analysis.loading import load_run
from experiments.analysis.self_play import training_metrics
from experiments.analysis.tutoring import tutoring_metrics
from experiments.config.schema import ScenarioConfig
from experiments.runs.directory import RunDirectory


def summarize_run(run: RunDirectory, wall_s: float) -> dict[str, Any]:
    """Return the summary of a run directory.

    Args:
        run: A run whose last tick is committed.
        wall_s: Seconds that the run took.
    """
    data = load_run(run)
    summary = document(
        data.analysis, data.ledger_digest, wall_s,
        run.header.get("versions", {}), run.header.get("hardware", {}),
    )  # fmt: skip
    costs = endpoint_costs(run, data.analysis.config)
    return {**summary, "endpoints": costs} if costs else summary


def summarize(
    tables: Mapping[str, Columns],
    config: ScenarioConfig,
    extra: Mapping[str, Any],
    *,
    ledger_digest: str = "",
    wall_s: float = 0.0,
    versions: Mapping[str, str] | None = None,
    hardware: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summary of ledger tables; ``metrics`` is a pure function of the first three.

    Args:
        tables: The ledger's tables.
        config: The scenario.
        extra: The engine's counts, see `analyse`.
        ledger_digest: Copied into the summary, as are the following.
        wall_s: Seconds that the run took.
        versions: Versions of the libraries used.
        hardware: The machine.
    """
    analysis = analyse(tables, config, extra)
    return document(analysis, ledger_digest, wall_s, versions or {}, hardware or {})


def document(
    analysis: Analysis,
    ledger_digest: str,
    wall_s: float,
    versions: Mapping[str, str],
    hardware: Mapping[str, Any],
) -> dict[str, Any]:
    """Return ``summary.json`` as plain data."""
    return {
        "scenario": analysis.config.name,
        "seed": analysis.config.seed,
        "ledger_digest": ledger_digest,
        "metrics": metrics(analysis),
        "wall_s": round(float(wall_s), 3),
        "versions": dict(versions),
        "hardware": dict(hardware),
    }


def metrics(analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Return all metrics under flat names, as plain data."""
    flat: dict[str, Estimate] = {}
    if analysis.primary is not None:
        flat |= _comparison("primary", analysis.primary)
        flat["primary.detectable"] = analysis.primary.paired.detectable
    for family, pairs in (("secondary", analysis.secondary), ("verdicts", analysis.verdicts)):
        for comparison in pairs:
            name = f"{family}.{comparison.first}-{comparison.second}"
            flat |= _comparison(name, comparison)
            flat[f"{name}.p_holm"] = _p_value(comparison)
    for check in analysis.checks:
        flat |= _comparison(f"check.{check.arm}", check.comparison)
        flat[f"check.{check.arm}.holds"] = (
            Estimate.missing("the data do not show it either way")
            if check.holds is None
            else Estimate.exact(float(check.holds), analysis.seeds, "a yes or no")
        )
    for arm, result in analysis.arms.items():
        flat |= {f"arm.{arm}.{name}": estimate for name, estimate in result.metrics.items()}
        flat |= {f"arm.{arm}.curve.tick_{tick:04d}": point for tick, point in result.curve}
    for name, by_split in analysis.conversations.items():
        for split, found in by_split.items():
            prefix = f"conversation.{name}" + ("" if split == Split.TEACHING else f".{split}")
            flat |= {f"{prefix}.{metric}": value for metric, value in found.metrics.items()}
            flat |= {
                f"{prefix}.fault.{fault}": Estimate.exact(count, found.rooms)
                for fault, count in found.faults.items()
            }
    flat |= _episodes(analysis.episodes)
    if analysis.training is not None:
        flat |= training_metrics(analysis.training)
    if analysis.tutoring is not None:
        flat |= tutoring_metrics(analysis.tutoring)
    flat |= {
        f"truth_spent.{purpose}": Estimate.exact(count, count)
        for purpose, count in sorted(analysis.truth_spent.items())
    }
    return {name: estimate.to_json() for name, estimate in flat.items()}


def _episodes(found: EpisodesAnalysis) -> dict[str, Estimate]:
    flat: dict[str, Estimate] = {}
    for name, one in found.results.items():
        flat |= {f"episodes.{name}.{measure}": value for measure, value in one.found.items()}
        flat |= {
            f"episodes.{name}.{measure}.regret.{reference}": value
            for measure, regrets in one.regrets.items()
            for reference, value in regrets.items()
        }
    for made in found.comparisons:
        prefix = f"episodes.{made.first}-{made.second}.{made.measure.name}"
        flat[f"{prefix}.difference"] = made.paired.estimate
        flat[f"{prefix}.difference_bootstrap"] = made.crossed
        flat[f"{prefix}.p_holm"] = _p_value(made)
    return flat


def _comparison(prefix: str, comparison: Comparison) -> dict[str, Estimate]:
    return {
        f"{prefix}.difference": comparison.paired.estimate,
        f"{prefix}.difference_bootstrap": comparison.crossed,
    }


def _p_value(comparison: Comparison | EpisodesComparison) -> Estimate:
    n = comparison.paired.estimate.n
    if comparison.p_holm is None:
        return Estimate.missing(comparison.paired.estimate.reason or "undefined", n)
    return Estimate.exact(comparison.p_holm, n, "a p-value, corrected by Holm's method")

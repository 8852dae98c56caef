"""What came out of episodes: every measure with its interval, regrets, and comparisons of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from experiments.analysis.bootstrap import Axes, CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.facilitation import regret_of
from experiments.analysis.statistics import Paired, holm, paired_difference
from experiments.config.components import component
from experiments.config.schema import ScenarioConfig
from experiments.episodes import PLAYS
from experiments.episodes.base import Measure


@dataclass(frozen=True)
class EpisodesResult:
    """The episodes of one name."""

    name: str
    label: str
    n: int
    """Episodes played."""
    measures: tuple[Measure, ...]
    """What was measured; the first is the one that is compared."""
    found: dict[str, Estimate]
    """Measure to its mean."""
    regrets: dict[str, dict[str, Estimate]]
    """Measure to the environment's reference to how much worse it is than that."""

    @property
    def main(self) -> Measure:
        """The measure that is compared where none is named."""
        return self.measures[0]


@dataclass(frozen=True)
class EpisodesComparison:
    """A measure of two sets of episodes, first minus second."""

    first: str
    second: str
    measure: Measure
    paired: Paired
    """Over seeds."""
    crossed: Estimate
    """Bootstrap over cases and seeds."""
    p_holm: float | None


@dataclass(frozen=True)
class EpisodesAnalysis:
    """All episodes of a run."""

    results: dict[str, EpisodesResult]
    comparisons: tuple[EpisodesComparison, ...]
    references: dict[str, float]
    """Those of the environment that regret is counted against."""


def analyse_episodes(
    tables: Mapping[str, Columns], config: ScenarioConfig, references: Mapping[str, float]
) -> EpisodesAnalysis:
    """Analyse a run's episodes.

    Args:
        tables: The ledger; only ``episodes`` is read, and may be missing.
        config: The scenario.
        references: The environment's reference values.

    Returns:
        Results in the scenario's order; a pure function of the arguments.
    """
    rows = tables.get("episodes")
    if rows is None or not rows.n:
        return EpisodesAnalysis({}, (), {})
    boot = CrossedBootstrap(
        Axes.of(rows["replicate"], rows["case_id"]),
        config.analysis.bootstrap,
        config.seed,
        str(rows["split"][0]),
    )
    results: dict[str, EpisodesResult] = {}
    of: dict[tuple[str, str], NDArray[np.float64]] = {}
    for name, one in config.episodes.items():
        mine = rows.take(rows["episodes"] == name)
        if not mine.n:
            continue
        cls, _ = component(PLAYS, one.play, f"episodes.{name}.play")
        measures: tuple[Measure, ...] = cls.measures  # type: ignore[attr-defined]
        grids = np.stack([_grid(boot, mine, measure.name) for measure in measures])
        of |= {(name, m.name): grid for m, grid in zip(measures, grids, strict=True)}
        found = _estimates(boot, measures, grids)
        regrets = {
            measure.name: {
                reference: regret_of(
                    found[measure.name], references[reference], bool(measure.higher_is_better)
                )
                for reference in measure.references
                if reference in references
            }
            for measure in measures
        }
        n = int((mine["measure"] == measures[0].name).sum())
        results[name] = EpisodesResult(name, one.label, n, measures, found, regrets)
    used = {r for one in results.values() for some in one.regrets.values() for r in some}
    known = {name: value for name, value in references.items() if name in used}
    pairs = [pair for pair in config.analysis.episodes if set(pair[:2]) <= set(results)]
    return EpisodesAnalysis(results, _compared(boot, pairs, results, of), known)


def _grid(boot: CrossedBootstrap, rows: Columns, measure: str) -> NDArray[np.float64]:
    mine = rows.take(rows["measure"] == measure)
    return boot.axes.grid(mine["replicate"], mine["case_id"], mine["value"])


def _estimates(
    boot: CrossedBootstrap, measures: Sequence[Measure], grids: NDArray[np.float64]
) -> dict[str, Estimate]:
    found = {}
    for measure, grid in zip(measures, grids, strict=True):
        yes_or_no = np.isin(grid[~np.isnan(grid)], (0.0, 1.0)).all()
        mean = boot.proportions if measure.share and yes_or_no else boot.estimates
        found[measure.name] = mean(grid[None], "undefined in every episode")[0]
    return found


def _compared(
    boot: CrossedBootstrap,
    pairs: Sequence[Sequence[str]],
    results: Mapping[str, EpisodesResult],
    grids: Mapping[tuple[str, str], NDArray[np.float64]],
) -> tuple[EpisodesComparison, ...]:
    made = []
    for first, second, *named in pairs:
        measures = {m.name: m for m in results[first].measures}
        measure = measures[named[0]] if named else results[first].main
        both = np.stack([grids[first, measure.name], grids[second, measure.name]])
        by_seed = np.nanmean(both, axis=2)
        draws, means = boot.means(both), np.nanmean(both, axis=(1, 2))
        n = int((~np.isnan(both)).all(axis=0).sum())
        crossed = boot.estimate(float(means[0] - means[1]), draws[0] - draws[1], n)
        paired = paired_difference(by_seed[0], by_seed[1])
        made.append((first, second, measure, paired, crossed))
    corrected = holm([paired.p_value for _, _, _, paired, _ in made])
    return tuple(EpisodesComparison(*one, p) for one, p in zip(made, corrected, strict=True))

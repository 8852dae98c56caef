"""Tables and the sentence about episodes of an environment's game."""

from __future__ import annotations

from experiments.analysis.episodes import EpisodesAnalysis, EpisodesComparison, EpisodesResult
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import POWER
from experiments.episodes.base import Measure
from experiments.report.cells import NOTHING, Cells, p_value, percent, points, ratio, signed


def episodes_table(found: EpisodesAnalysis) -> Cells:
    """Return every measure of every set of episodes."""
    measures = _measures(found)
    rows = tuple(
        (name, one.label, *(_value(one, measure) for measure in measures))
        for name, one in found.results.items()
    )
    header = ("episodes", "who plays", *(_head(measure) for measure in measures))
    told = "; ".join(f"{m.name.replace('_', ' ')}: {m.meaning}" for m in measures)
    n = sum(one.n for one in found.results.values())
    notes = (f"{n} episodes. Intervals at 95 %: bootstrap over cases and seeds. {told}.",)
    return Cells("Episodes", header, rows, tuple(range(2, len(header))), notes)


def regrets_table(found: EpisodesAnalysis) -> Cells:
    """Return how much worse than each of the environment's references each was."""
    pairs = [
        (measure, reference)
        for measure in _measures(found)
        for reference in measure.references
        if reference in found.references
    ]
    rows = tuple(
        (
            name,
            *(
                _regret(measure, one.regrets.get(measure.name, {}).get(reference))
                for measure, reference in pairs
            ),
        )
        for name, one in found.results.items()
    )
    header = (
        "episodes",
        *(
            f"{m.name.replace('_', ' ')}: regret against\n{_words(reference)}, "
            f"{_plain(m, found.references[reference])}"
            for m, reference in pairs
        ),
    )
    notes = (
        "Regret: how much worse than the reference, whose value the head of the column gives; "
        "negative where the players did better. Shares in points.",
    )
    title = "Beside what was possible"
    return Cells(title, header, rows if pairs else (), tuple(range(1, len(header))), notes)


def episode_comparisons_table(found: EpisodesAnalysis) -> Cells:
    """Return the compared pairs."""
    rows = tuple(
        (
            f"{c.first} − {c.second}",
            c.measure.name.replace("_", " "),
            _difference(c.measure, c.paired.estimate),
            _difference(c.measure, c.crossed),
            p_value(c.p_holm),
        )
        for c in found.comparisons
    )
    header = ("comparison", "measure", "difference over seeds", "over cases and seeds", "p (Holm)")
    notes = (
        "First minus second on the same cases. Over seeds: paired, Student t. Over cases and "
        "seeds: crossed bootstrap. Shares in points.",
    )
    return Cells("Comparisons of episodes", header, rows, (2, 3, 4), notes)


def episodes_sentence(found: EpisodesAnalysis, where: str, seeds: int, doubt: str) -> str:
    """Return what the first comparison found; without one, what was measured.

    Args:
        found: The run's episodes.
        where: The environment, in words.
        seeds: Number of seeds.
        doubt: What to say of too few of them, '' for nothing.
    """
    over = f"{seeds} seed{'s' * (seeds != 1)}{doubt}"
    if not found.comparisons:
        told = [f"{one.label} {_value(one, one.main)}" for one in found.results.values()]
        main = next(iter(found.results.values())).main
        return f"On {where}, the {main.meaning}: {'; '.join(told)} ({over}){_beside(found, main)}."
    first = found.comparisons[0]
    one, two = found.results[first.first], found.results[first.second]
    return (
        f"{_verdict(first, one, two, where, over)}{_beside(found, first.measure)}.{_missed(first)}"
    )


def _verdict(
    made: EpisodesComparison, one: EpisodesResult, two: EpisodesResult, where: str, over: str
) -> str:
    estimate, measure = made.paired.estimate, made.measure
    values = (
        f"{_plain(measure, one.found[measure.name].value)} against "
        f"{_plain(measure, two.found[measure.name].value)}"
    )
    if estimate.sign() is None:
        return (
            f"On {where}, the {measure.meaning} was {values} with {one.label} and {two.label} "
            f"({over}; no claim about other seeds: {estimate.reason})"
        )
    basis = f"difference {_difference(measure, estimate)}, paired over {over}"
    if estimate.sign() == 0:
        return (
            f"No difference detected on {where}: the {measure.meaning} was {values} with "
            f"{one.label} and {two.label} ({basis})"
        )
    word = "higher" if (estimate.value or 0) > 0 else "lower"
    return (
        f"On {where}, the {measure.meaning} was {word} with {one.label} than with {two.label}: "
        f"{values} ({basis})"
    )


def _beside(found: EpisodesAnalysis, measure: Measure) -> str:
    known = [r for r in measure.references if r in found.references]
    if not known:
        return ""
    told = ", ".join(f"{_words(r)} {_plain(measure, found.references[r])}" for r in known)
    return f"; for reference: {told}"


def _missed(made: EpisodesComparison) -> str:
    detectable = made.paired.detectable.value
    if made.paired.estimate.sign() != 0 or detectable is None:
        return ""
    return (
        f" A true difference of {_plain(made.measure, detectable)} would have been found with "
        f"{100 * POWER:.0f} % probability."
    )


def _measures(found: EpisodesAnalysis) -> list[Measure]:
    every = [measure for one in found.results.values() for measure in one.measures]
    return list({measure.name: measure for measure in every}.values())


def _value(one: EpisodesResult, measure: Measure) -> str:
    if measure.name not in one.found:
        return NOTHING
    estimate = one.found[measure.name]
    return percent(estimate) if measure.share else ratio(estimate)


def _regret(measure: Measure, estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else _difference(measure, estimate)


def _difference(measure: Measure, estimate: Estimate) -> str:
    return points(estimate) if measure.share else signed(estimate)


def _plain(measure: Measure, value: float | None) -> str:
    if value is None:
        return NOTHING
    text = f"{100 * value:.1f} %" if measure.share else f"{value:.2f}"
    return text.replace("-", "−")


def _head(measure: Measure) -> str:
    name = measure.name.replace("_", " ")
    return f"{name}, %" if measure.share else name


def _words(reference: str) -> str:
    return reference.removeprefix("game_").replace("_", " ")

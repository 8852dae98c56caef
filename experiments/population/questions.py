"""The first sentence of a population's report: each question has its own, from the metrics."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.analysis.estimate import Estimate
from experiments.config.schema import ScenarioConfig
from experiments.report.cells import percent, points, ratio

Flat = Mapping[str, Estimate]


def answered(config: ScenarioConfig, flat: Flat) -> str:
    """Return the sentence that answers ``population.question``.

    Args:
        config: The scenario.
        flat: Its run's metrics, see `experiments.population.summary.metrics`.
    """
    if config.population.question == "oversight":
        return _oversight(flat) or _lift(config, flat)
    if config.population.question == "cascade":
        return _cascade(config, flat)
    return _lift(config, flat)


def greatest(config: ScenarioConfig) -> str:
    """Return the name of the kind with most agents."""
    kinds = config.population.kinds
    return max(kinds, key=lambda kind: kinds[kind].fraction)


def _lift(config: ScenarioConfig, flat: Flat, name: str = "") -> str:
    """Return what the agents of a kind learned, by default of the greatest."""
    name = name or greatest(config)
    start, test = flat.get(f"kind.{name}.start_accuracy"), flat.get(f"kind.{name}.test_accuracy")
    lift = flat.get(f"kind.{name}.lift")
    if not (start and test and lift) or lift.value is None:
        return f"The {name} agents were not examined {_unexamined(config, start, test)}."
    verb = _by_sign(lift, "rose", "fell", "did not detectably change", "changed")
    return (
        f"Unaided, the {name} agents {verb}: from {percent(start)} to {percent(test)} % right on "
        f"new cases, {points(lift)} points (95 % interval, over cases and agents examined)."
    )


def _unexamined(config: ScenarioConfig, start: Estimate | None, test: Estimate | None) -> str:
    """Return when a kind was not examined, and why."""
    missing = []
    for one, when, split in (
        (start, "before the first round", "curve"),
        (test, "after the last round", "test"),
    ):
        if one is None or one.value is None:
            none = not getattr(config.splits, split)
            why = f"splits.{split} is 0" if none else "none was among those examined"
            missing.append(f"{when} ({why})")
    return " and ".join(missing)


def _oversight(flat: Flat) -> str:
    """Return the sentence; '' where strong agents or teams were not measured at both ends."""
    change = flat["oversight.gap_change"]
    if change.value is None:
        return ""
    verdict = _by_sign(
        change,
        "Oversight fell behind",
        "Oversight more than kept up",
        "No change of oversight was detected",
        "Oversight was measured at both ends",
    )
    return (
        f"{verdict}: between the first round and the last, on each round's cases, the strong went "
        f"from {percent(flat['oversight.strong_first'])} to "
        f"{percent(flat['oversight.strong_last'])} % right unaided and the teams' decisions from "
        f"{percent(flat['teams.first'])} to {percent(flat['teams.last'])} %; the gap between them "
        f"changed by {points(change)} points (95 % interval, over cases)."
    )


def _cascade(config: ScenarioConfig, flat: Flat) -> str:
    """Return what became of the largest kind that is mostly honest."""
    kinds = config.population.kinds
    share = 100 * sum(kind.fraction * kind.dishonest for kind in kinds.values())
    honest_kinds = [name for name, kind in kinds.items() if kind.fraction and kind.dishonest < 0.5]
    if not share:
        return f"Nobody is dishonest. {_lift(config, flat)}"
    if not honest_kinds:
        everybody = all(kind.dishonest == 1 for kind in kinds.values() if kind.fraction)
        some = f"{share:g} % of the agents are dishonest, half of every kind at least."
        return f"{'Everybody is dishonest.' if everybody else some} {_lift(config, flat)}"
    name = max(honest_kinds, key=lambda kind: kinds[kind].fraction)
    lift = flat.get(f"kind.{name}.lift")
    if lift is None or lift.value is None:
        return _lift(config, flat, name)
    verb = _by_sign(
        lift,
        "did not keep the others from learning",
        "carried the others away from the truth",
        "did not detectably change the others",
        "was among the others",
    )
    honest = flat.get(f"kind.{name}.trust_ties_honest")
    liars = flat.get(f"kind.{name}.trust_ties_dishonest")
    trust = ""
    if honest and liars and honest.value is not None and liars.value is not None:
        trust = (
            f" Mean trust ended at {ratio(honest)} in honest ties and {ratio(liars)} in dishonest "
            "ones."
        )
    return (
        f"A dishonest {'minority' if share < 50 else 'share'} of {share:g} % {verb}: "
        f"unaided, the {name} agents went from {percent(flat[f'kind.{name}.start_accuracy'])} to "
        f"{percent(flat[f'kind.{name}.test_accuracy'])} % right on new cases, {points(lift)} "
        f"points (95 % interval, over cases and agents examined).{trust}"
    )


def _by_sign(estimate: Estimate, up: str, down: str, neither: str, unknown: str) -> str:
    return {1: up, -1: down, 0: neither, None: unknown}[estimate.sign()]

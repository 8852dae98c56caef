"""A run of trained debaters in words, cells and drawings."""

from __future__ import annotations

from experiments.analysis.analysis import Analysis
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import ILLUSTRATIVE_BELOW
from experiments.report.cells import Cells, percent, points, ratio
from experiments.report.curves import lines_over_ticks
from experiments.report.page import Figure, Section


def training_sentence(analysis: Analysis, where: str) -> str:
    """Return whether training made the judge better, from the paired intervals over seeds."""
    training = analysis.training
    assert training is not None
    told = []
    for name, trained in training.conversations.items():
        found = trained.gain.estimate
        if found.value is None:
            told.append(f"what training did to {name} could not be measured ({found.reason})")
        elif found.sign() is None:
            told.append(
                f"training changed the judge's accuracy after {name} by {points(found)} points, "
                f"of which nothing can be claimed ({found.reason})"
            )
        elif found.sign() == 0:
            told.append(f"no change was detected in the judge's accuracy after {name} "
                        f"({points(found)} points)")  # fmt: skip
        else:
            word = "raised" if (found.sign() or 0) > 0 else "lowered"
            told.append(
                f"training the agents of {name} {word} their judge's accuracy ({points(found)} "
                "points)"
            )
    told.append(_contrast(analysis))
    listed = "; ".join(part for part in told if part)
    seeds = f"{analysis.seeds} seed" + "s" * (analysis.seeds != 1)
    few = ", illustrative" if analysis.seeds < ILLUSTRATIVE_BELOW else ""
    return (
        f"On {where}, {listed}. Paired with untrained agents on the same {training.test_cases} "
        f"unseen cases; 95 % intervals over {seeds}{few}."
    )


def _contrast(analysis: Analysis) -> str:
    training = analysis.training
    if training is None or training.contrast is None:
        return ""
    first, second = analysis.config.self_play.contrast
    found = training.contrast.estimate
    if found.sign() in (None, 0):
        return f"no difference between {first} and {second} was detected ({points(found)})"
    word = "more" if (found.sign() or 0) > 0 else "less"
    return f"{first} gained {word} than {second} ({points(found)} points)"


def training_section(analysis: Analysis) -> Section:
    """Return the curves and the table; an empty section where nobody is trained."""
    training = analysis.training
    if training is None:
        return Section("training", "Training")
    curves = []
    for name, trained in training.conversations.items():
        curves += [(name, trained.accuracy), (trained.baseline, trained.baseline_accuracy)]
    svg = lines_over_ticks(curves, "judge right, %", "training")
    caption = (
        "Judge accuracy on each tick's new cases, before they are practised on; mean over seeds, "
        "95 % intervals by Student's t."
    )
    figures = (Figure(svg, caption),) if svg else ()
    return Section(
        "training",
        "What training did to the judge",
        figures=figures,
        tables=(training_table(analysis),),
    )


def training_table(analysis: Analysis) -> Cells:
    """Return accuracy and ASD on test cases, trained and untrained, and the gains."""
    training = analysis.training
    rows = []
    for name, trained in training.conversations.items() if training else ():
        pair = [analysis.conversations[one].get("test") for one in (trained.baseline, name)]
        right, asd = (
            [one.metrics.get(key, _absent()) if one else _absent() for one in pair]
            for key in ("judge_accuracy", "asd_log")
        )
        rows.append(
            (
                name, *map(percent, right), points(trained.gain.estimate),
                *map(ratio, asd), points(trained.early_late.estimate),
            )
        )  # fmt: skip
    header = (
        "conversation", "judge right,\nuntrained, %", "judge right,\ntrained, %", "gain",
        "ASD (log),\nuntrained", "ASD (log),\ntrained", "last third of ticks\nminus first",
    )  # fmt: skip
    reward = analysis.config.self_play.reward
    notes = (
        f"On test cases but for the last column. Gain: trained minus untrained on the same cases, "
        f"points, Student t over seeds. Reward: {reward}; {analysis.config.self_play.rollouts} "
        "practice rooms a case, which the ledger does not hold. Published contrast: training "
        "debaters raised their judge's accuracy, training consultants did not (Arnesen et al. "
        "2024, arXiv 2409.16636); it is not assumed here.",
    )
    return Cells("Training", header, tuple(rows), tuple(range(1, 7)), notes)


def _absent() -> Estimate:
    return Estimate.missing("no such conversation on test cases")

"""A run of one tutor and many students in words, cells and drawings."""

from __future__ import annotations

from experiments.analysis.analysis import Analysis
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import ILLUSTRATIVE_BELOW
from experiments.report.cells import Cells, points
from experiments.report.curves import lines_over_ticks
from experiments.report.page import Figure, Section


def tutoring_sentence(analysis: Analysis, where: str) -> str:
    """Return whether students further from their tutor improved more, from the slope's interval."""
    tutoring = analysis.tutoring
    assert tutoring is not None
    found = tutoring.slope
    seeds = f"{analysis.seeds} seed" + "s" * (analysis.seeds != 1)
    few = ", illustrative" if analysis.seeds < ILLUSTRATIVE_BELOW else ""
    who = f"{len(tutoring.pupils)} students of one tutor, {seeds}{few}"
    if found.value is None:
        return f"On {where}, improvement could not be related to the gap: {found.reason} ({who})."
    ten = points(_tenth(found))
    if found.sign() is None:
        return (
            f"On {where}, ten points more of gap went with {ten} points of improvement, of which "
            f"nothing can be claimed ({found.reason}; {who})."
        )
    if found.sign() == 0:
        return (
            f"On {where}, no relation between a student's gap and its improvement was detected: "
            f"{ten} points for ten points of gap (95 % interval over seeds; {who})."
        )
    word = "more" if (found.sign() or 0) > 0 else "less"
    return (
        f"On {where}, students who began further from their tutor improved {word}: {ten} points "
        f"for every ten points of gap (95 % interval over seeds; {who}; gap and improvement on "
        "different cases)."
    )


def tutoring_section(analysis: Analysis) -> Section:
    """Return per-student curves and the table; an empty section where there is nothing to say."""
    if analysis.tutoring is None:
        return Section("tutoring", "Students")
    curves = [
        (analysis.arms[arm].label, analysis.arms[arm].curve) for arm in analysis.tutoring.pupils
    ]
    svg = lines_over_ticks(curves, "unaided accuracy, %", "tutoring")
    figures = (Figure(svg, "Every student's unaided accuracy on curve cases."),) if svg else ()
    return Section(
        "tutoring", "Who improved how fast", figures=figures, tables=(tutoring_table(analysis),)
    )


def tutoring_table(analysis: Analysis) -> Cells:
    """Return every student's gap and improvement, and the slope between them."""
    tutoring = analysis.tutoring
    assert tutoring is not None
    rows = [
        (arm, analysis.arms[arm].label, *map(points, (pupil.gap, pupil.early, pupil.improvement)))
        for arm, pupil in tutoring.pupils.items()
    ]
    slopes = (tutoring.early_slope, tutoring.slope)
    rows.append(("", "for ten points of gap", "", *(points(_tenth(slope)) for slope in slopes)))
    header = (
        "arm", "student", "gap to its tutor\nat the start",
        f"improvement\nat tick {tutoring.first_tick}", "improvement\nat the end",
    )  # fmt: skip
    note = (
        "Points of accuracy; Student t over seeds. Last row: least squares over students, gap and "
        "improvement on different halves of the curve cases, so that chance does not make those "
        "who began low improve; noise in the gap draws it towards 0.",
    )
    return Cells("Students", header, tuple(rows), (2, 3, 4), note)


def _tenth(slope: Estimate) -> Estimate:
    """Return a slope as improvement for a gap of a tenth."""
    if slope.value is None:
        return slope
    low, high = (None if end is None else end / 10 for end in (slope.low, slope.high))
    return Estimate(slope.value / 10, low, high, slope.n, slope.reason)

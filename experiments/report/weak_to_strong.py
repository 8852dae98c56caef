"""A weak-to-strong run in words and cells: accuracies, gap recovered, imitation, saliency."""

from __future__ import annotations

from experiments.analysis.analysis import Analysis
from experiments.analysis.estimate import Estimate
from experiments.config.schema import ScenarioConfig
from experiments.report.cells import Cells, percent, points, ratio


def students_table(analysis: Analysis) -> Cells:
    """Return every arm: label accuracy, unaided accuracy, gap recovered, what it imitates."""
    roles = analysis.config.analysis
    header = (
        "arm", "student learns from", "labels right,\n%", "unaided on\nunseen cases, %",
        "over the supervisor", "PGR", "agrees where\nlabel right, %", "repeats its\nerrors, %",
        "probe, %",
    )  # fmt: skip
    rows = []
    for name, arm in analysis.arms.items():
        m = arm.metrics
        pgr = {roles.floor: "(floor)", roles.ceiling: "(ceiling)"}.get(name) or ratio(m["pgr"])
        rows.append(
            (
                name, arm.label, percent(m.get("label_accuracy", Estimate.missing(""))),
                percent(m["test_accuracy"]), points(m["uplift"]), pgr,
                percent(m["agreement_where_right"]), percent(m["imitation"]),
                percent(m["saliency"]),
            )
        )  # fmt: skip
    return Cells("Students", header, tuple(rows), tuple(range(2, 9)), _notes(analysis))


def _notes(analysis: Analysis) -> tuple[str, ...]:
    seeds = analysis.seeds
    kind = "over cases (one seed)" if seeds == 1 else "crossed over cases and seeds"
    floor, ceiling = analysis.config.analysis.floor, analysis.config.analysis.ceiling
    notes = [
        f"{seeds} seed{'s' * (seeds != 1)}, {analysis.test_cases} unseen cases"
        + (" — fewer than 5 seeds: illustrative." if analysis.illustrative else "."),
        f"Intervals at 95 %: bootstrap {kind}; points over the supervisor and probe: Student t "
        f"over seeds. PGR = (student − {floor}) / ({ceiling} − {floor}), on the truth of unseen "
        "cases; – where the gap is not shown to exceed 0.05. Repeats its errors: agreement with "
        "the supervisor where that is wrong. Probe: accuracy of a linear probe on the student's "
        "hidden states (saliency of the concept).",
    ]
    if _from_scratch(analysis.config):
        notes.append(
            "The students are trained from scratch, so there is no latent knowledge to elicit: "
            "this measures robustness to label noise only. Name a pretrained model in the "
            "student's policy.model.path for a claim about weak-to-strong generalization."
        )
    reasons = {
        arm.metrics["pgr"].reason
        for name, arm in analysis.arms.items()
        if name not in (floor, ceiling) and arm.metrics["pgr"].value is None
    }
    return (*notes, *(f"PGR –: {reason}." for reason in sorted(reasons)))


def _from_scratch(config: ScenarioConfig) -> bool:
    model = config.agents[config.learner.student].policy.get("model", {})
    return not model.get("path", "")

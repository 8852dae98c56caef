"""Conversations beside what the environment says was possible."""

from __future__ import annotations

from collections.abc import Callable

from experiments.analysis.analysis import Analysis
from experiments.analysis.estimate import Estimate
from experiments.report.cells import Cells, percent, points, ratio


def possible_table(analysis: Analysis) -> Cells:
    """Return every conversation beside what was possible: regret against both references."""
    columns: dict[str, tuple[str, Callable[[Estimate], str]]] = {
        "regret_no_communication": ("regret against\nno communication", points),
        "regret_full_information": ("regret against\nfull information", points),
        "facilitation_share": ("of facilitation's\nworth, %", percent),
        "strong_synergy": ("over the\nbest member", points),
        "weak_synergy": ("over the\nmean member", points),
        "items_per_room": ("evidence\nbrought up", ratio),
    }
    by_name = {name: analysis.conversation(name).metrics for name in analysis.conversations}
    shown = [k for k in columns if any(m[k].value is not None for m in by_name.values())]
    known = any(key.startswith("regret") for key in shown)
    rows = tuple(
        (name, percent(m["judge_accuracy"]), *(columns[key][1](m[key]) for key in shown))
        for name, m in by_name.items()
    )
    header = ("conversation", "right, %", *(columns[key][0] for key in shown))
    notes = (
        "Regret: the reference's accuracy minus the conversation's, in points; against no "
        "communication it is negative where talking helped. The references are those of the "
        "environment, above. Of facilitation's worth: the share had of what full information adds "
        "to no communication. Over the best and the mean member: accuracy minus that of members "
        "before anybody spoke (strong and weak synergy). Evidence: different verified pieces said "
        "in a room.",
    )
    title = "Beside what was possible"
    return Cells(title, header, rows if known else (), tuple(range(1, len(header))), notes)

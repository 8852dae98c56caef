"""What information is worth in plan explanation: exact, by enumeration of every case there is.

A kind of case is a task, a world and a set of known facts; there are T · 2^D · 2^D of them, each
with its probability.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from environments.base import Reference
from environments.plan_explanation.tasks import KINDS, TaskLaw

_TIE = 1e-9


def reference_values(law: TaskLaw) -> Mapping[str, Reference]:
    """Return chance, the accuracy of every reader, and mean sizes of explanations.

    The readers are Bayesian with the environment's own doubt; options that tie share the guess.
    """
    table, config = law.table, law.config
    size, width = 2**table.width, table.width
    task, world, known = (g.ravel() for g in np.indices((len(table.tasks), size, size)))
    told = table.worlds[known]
    share = np.where(told, config.known, 1 - config.known)
    weight = law.weights[task, world] / len(table.tasks) * np.prod(share, axis=1)
    there = np.arange(width) < table.n_facts[task][:, None]
    codes = np.where(there, 1 + table.worlds[world], 0)
    best = table.best[task, world]
    public = np.where(told, codes, 0)

    def right(belief: NDArray[np.float64]) -> float:
        top = belief >= belief.max(axis=1, keepdims=True) - _TIE
        hit = top[np.arange(len(best)), best] / top.sum(axis=1)
        return float((weight * hit).sum())

    def accuracy(heard: NDArray[np.bool_]) -> float:
        return right(law.findings.posterior(task, np.where(told | heard, codes, 0)))

    nothing = np.zeros_like(told)
    alone = accuracy(nothing)
    everything = accuracy(~nothing)
    trusting = table.best[task, world & known]
    items = law.findings.items(task, public, codes)
    added = law.findings.posterior(task, public) + items[:, :-1].sum(axis=1)
    values = {
        "chance": Reference(float((1 / table.n_plans).mean()), "accuracy of a blind guess"),
        "human_model": Reference(
            float((weight * (trusting == best)).sum()),
            "accuracy of a human who takes the own model for the robot's",
        ),
        "prior": Reference(alone, "accuracy of a human who knows what is in question, untold"),
        "no_communication": Reference(alone, "accuracy of the human, who decides, untold"),
    }
    for explainer in range(config.explainers):
        own = np.arange(width) % config.explainers == explainer
        name = f"explainer_{explainer + 1}"
        meaning = f"accuracy of explainer {explainer + 1} alone"
        values[name] = Reference(accuracy(nothing | own), meaning)
    for kind, name in zip(
        KINDS, ("minimally complete", "minimally monotonic", "full"), strict=True
    ):
        sets = table.worlds[table.told[KINDS.index(kind), task, world, known]]
        values[f"after_{kind}"] = Reference(
            accuracy(sets), f"accuracy of a human told a {name} explanation, taken at face value"
        )
        values[f"size_{kind}"] = Reference(
            float((weight * sets.sum(axis=1)).sum()),
            f"mean updates of a {name} explanation",
            share=False,
        )
    told_mce = table.told[KINDS.index("mce"), task, world, known]
    values["human_model_after_mce"] = Reference(
        float((weight * (table.best[task, world & known | told_mce] == best)).sum()),
        "accuracy of a human who takes the own model, updated by an MCE, for the robot's",
    )
    values["independent_pooling"] = Reference(
        right(added), "accuracy with all single items, added up as if they were independent"
    )
    values["full_information"] = Reference(everything, "accuracy with all facts, read exactly")
    values["perfect_facilitation"] = Reference(
        everything - alone, "full information minus the human untold"
    )
    return values

"""What Lauritzen & Spiegelhalter state about the chest clinic, and what follows by definition."""

from __future__ import annotations

import numpy as np

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.proof import Proof
from environments.diagnosis.environment import Diagnosis, DiagnosisConfig
from environments.diagnosis.files import load_net

_PAPER = "Lauritzen & Spiegelhalter 1988, JRSS B 50(2), tables of the chest clinic"


def proofs() -> list[Proof]:
    """Return every proof of this package."""
    net = load_net("asia")
    visit = {"asia": "yes", "dysp": "yes"}
    stated = (("tub", "tuberculosis", 0.0878), ("lung", "lung cancer", 0.0995))
    claims = [
        Proof(
            f"P({label} | visit to Asia, dyspnoea)",
            _PAPER,
            value,
            float(net.posterior(name, visit)[0]),
            5e-5,
        )
        for name, label, value in (*stated, ("bronc", "bronchitis", 0.8114))
    ]
    return [*claims, _enumeration(), *_pooling()]


def _enumeration() -> Proof:
    """Compare variable elimination with the product of all tables, summed by hand."""
    net = load_net("asia")
    names = list(net.variables)
    axis = {name: i for i, name in enumerate(names)}
    whole = np.ones((2,) * len(names))
    for variable in net.variables.values():
        axes = [axis[a] for a in (*variable.parents, variable.name)]
        table = variable.table.transpose(np.argsort(axes))
        whole = whole * table.reshape([2 if i in axes else 1 for i in range(len(names))])
    rows = np.indices((3, 3, 3)).reshape(3, -1) - 1
    evidence = dict(zip(("asia", "smoke", "dysp"), rows, strict=True))
    worst = 0.0
    for target in ("tub", "lung", "bronc", "xray"):
        found = net.posterior(target, evidence)
        for row, states in enumerate(rows.T.tolist()):
            part = whole
            for name, state in zip(evidence, states, strict=True):
                if state >= 0:
                    part = np.take(part, [state], axis=axis[name])
            others = tuple(i for i in range(len(names)) if i != axis[target])
            p = part.sum(axis=others)
            worst = max(worst, float(np.abs(p / p.sum() - found[row]).max()))
    return Proof(
        "variable elimination = full enumeration: largest gap, 27 rows of evidence x 4 targets",
        "definition",
        0.0,
        worst,
        1e-12,
    )


def _pooling() -> list[Proof]:
    config = DiagnosisConfig(targets=["lung"], findings=["asia", "smoke", "xray"], prior="net")
    world = Diagnosis(config, SplitPlan({Split.TEST: 2000}))
    cases = world.deal(world.case_ids(Split.TEST, 0))
    nobody = np.zeros(cases.n, dtype=np.int64)
    told = world.assess(cases, "public", nobody) + cases.evidence.llr.sum(axis=1)
    told = np.exp(told - np.logaddexp.reduce(told, axis=1, keepdims=True))
    gap = np.abs(told - np.exp(world.assess(cases, "source", nobody))).max()
    smoker = {"asia": [1], "smoke": [0], "xray": [0], "dysp": [0]}
    first = np.flatnonzero((world._law.codes(cases.case_id) == (1, 2, 1, 1)).all(axis=1))[0]
    yes = int(np.argmax(cases.public["shown"][first] == 0))
    return [
        Proof(
            "adding all items, the joint reading included = full information: largest gap",
            "definition",
            0.0,
            float(gap),
            1e-12,
        ),
        Proof(
            "P(lung cancer | smoker, X-ray, dyspnoea, no visit): the environment = the net",
            "definition",
            float(load_net("asia").posterior("lung", smoker)[0, 0]),
            float(np.exp(world.assess(cases, "source", nobody)[first, yes])),
            1e-12,
        ),
    ]

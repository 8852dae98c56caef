"""How patients come about: the disease, the findings, who has them.

Every draw is keyed by (world seed, case id), so a patient is a pure function of the id. This module
sees the truth; it is reached from `Diagnosis.deal` (which keeps only likelihoods of the findings),
from the texts of findings, and from the sealed truth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.diagnosis.bayes_net import BayesNet
from environments.diagnosis.config import DiagnosisConfig
from environments.findings import MAX_CODES, FindingTable, confuse

Ints = NDArray[np.int64]


class PatientLaw:
    """The joint law of option and findings, and the draws that it governs.

    Findings are ordered public ones first.

    Args:
        config: The configuration, its names checked against the net.
        net: The net.

    Raises:
        ConfigError: If a target can never occur, a finding is impossible under some option (its
            likelihood would be zero), or there are too many findings for exact enumeration.
    """

    def __init__(self, config: DiagnosisConfig, net: BayesNet) -> None:
        self.config = config
        self.findings = (*config.public_findings, *config.findings)
        self.public = np.arange(len(self.findings)) < len(config.public_findings)
        codes = np.prod([len(net.variable(f).states) + 1.0 for f in self.findings])
        if codes > MAX_CODES:
            raise ConfigError(
                f"environment.findings: {len(self.findings)} findings have {codes:.0f} "
                f"combinations, at most {MAX_CODES} are enumerated"
            )
        joint = _option_joint(config, net, self.findings)
        for axis in range(len(config.public_findings), len(self.findings)):
            joint = confuse(joint, axis + 1, config.noise)
        self.table = FindingTable(joint[None])
        self._check_possible(net)
        options = joint.shape[0]
        self._cumulative = np.cumsum(joint.reshape(options, -1), axis=1)
        self._prior = np.cumsum(joint.reshape(options, -1).sum(axis=1))
        self._shape = joint.shape[1:]
        self.n_options = options
        self.dependent = self.table.dependence(self.public) > 1e-9

    def _check_possible(self, net: BayesNet) -> None:
        """Refuse likelihoods of zero: a single finding would be worth infinitely much."""
        codes = self.table.all_codes()
        impossible = ~np.isfinite(self.table.log_likelihood[0]).all(axis=1)
        if impossible.any():
            # The row with fewest findings says it in the fewest words.
            rows = np.flatnonzero(impossible)
            row = codes[rows[np.argmin((codes[rows] > 0).sum(axis=1))]]
            told = ", ".join(
                f"{f}={net.variable(f).states[c - 1]}"
                for f, c in zip(self.findings, row.tolist(), strict=True)
                if c
            )
            raise ConfigError(
                f"environment.findings: {told} is impossible under one of the options, so it would "
                "settle the case with an infinite likelihood ratio; leave it out or set noise > 0"
            )

    # -- draws -------------------------------------------------------------------------------

    def option(self, case_id: Ints) -> Ints:
        """Return the option that holds, in the law's own numbering, shape [N]."""
        u = Keyed(self.config.world_seed, "diagnosis.option").uniform(case_id)
        drawn = np.searchsorted(self._prior, u * self._prior[-1], side="right")
        return np.minimum(drawn, self.n_options - 1).astype(np.int64)

    def codes(self, case_id: Ints) -> Ints:
        """Return the findings of each patient, [N, F]: 0 not taken, 1 + s for state s."""
        seed = self.config.world_seed
        option, u = self.option(case_id), Keyed(seed, "diagnosis.findings").uniform(case_id)
        place = np.zeros(len(case_id), dtype=np.int64)
        for k in range(self.n_options):
            mine = option == k
            mass = self._cumulative[k]
            place[mine] = np.searchsorted(mass, u[mine] * mass[-1], side="right")
        place = np.minimum(place, len(self._cumulative[0]) - 1)
        codes = np.stack(np.unravel_index(place, self._shape), axis=1).astype(np.int64) + 1
        gone = Keyed(seed, "diagnosis.missing").uniform(case_id, shape=(len(self.findings),))
        return np.where((gone < self.config.missing) & ~self.public, 0, codes)

    def order(self, case_id: Ints) -> Ints:
        """Return which option of the law each position shows, [N, K]; knows nothing of truth."""
        draw = Keyed(self.config.world_seed, "diagnosis.order")
        return draw.permutation(self.n_options, case_id)

    def owner(self, case_id: Ints) -> Ints:
        """Return the member that each private finding belongs to, [N, private findings]."""
        own = int((~self.public).sum())
        turn = np.arange(own) % self.config.members
        if self.config.assignment == "fixed":
            return np.broadcast_to(turn, (len(case_id), own))
        draw = Keyed(self.config.world_seed, "diagnosis.owner")
        return turn[draw.permutation(own, case_id)]


def _option_joint(
    config: DiagnosisConfig, net: BayesNet, findings: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return P(option, findings), axes [K, S_1 … S_F], with the configured prior."""
    targets = config.targets
    joint = net.joint([*targets, *findings])
    if len(targets) > 1:
        cells = []
        for t in range(len(targets)):
            # Exactly target t is present: the states of the others that are not "present" add up.
            cell = joint
            for axis, name in reversed(list(enumerate(targets))):
                here = net.state(name, config.present, "environment.present")
                kept = np.take(cell, here, axis=axis)
                cell = kept if axis == t else cell.sum(axis=axis) - kept
            cells.append(np.maximum(cell, 0.0))  # a difference may round below zero
        joint = np.stack(cells)
    mass = joint.reshape(len(joint), -1).sum(axis=1)
    if not (mass > 0).all():
        names = net.variable(targets[0]).states if len(targets) == 1 else targets
        never = names[int(np.argmin(mass))]
        raise ConfigError(f"environment.targets: {never!r} never occurs in net {config.net!r}")
    if config.prior == "flat":
        joint = joint / mass.reshape(-1, *[1] * len(findings)) / len(joint)
    return np.asarray(frozen(joint / joint.sum()))

"""The typed configuration of the diagnosis environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from environments.base import EnvironmentConfig


@dataclass
class DiagnosisConfig(EnvironmentConfig):
    """Configuration of `Diagnosis`.

    The default is the chest clinic: which of three diseases does a patient have? Everybody knows
    whether the patient came with dyspnoea; travel history, smoking history and X-ray are at one
    member each. Diseases are made equally likely, because in the net's own population bronchitis is
    almost always the answer.
    """

    name: str = "diagnosis"
    net: str = "asia"
    """A packaged net (``asia``) or a .bif or .json file; an absolute path if hosts have other
    folders."""
    targets: list[str] = field(default_factory=lambda: ["tub", "lung", "bronc"])
    """One variable: which of its states holds? Several: which one of them is present, among
    patients with exactly one of them present."""
    present: str = "yes"
    """State that means "present", for several targets."""
    public_findings: list[str] = field(default_factory=lambda: ["dysp"])
    """Variables that everybody sees."""
    findings: list[str] = field(default_factory=lambda: ["asia", "smoke", "xray"])
    """Variables that the members see, each finding one member."""
    members: int = 3
    """Members of the team, 1 to the number of findings."""
    assignment: str = "fixed"
    """``fixed``: finding i belongs to member i modulo members in every case (specialists);
    ``random``: the findings are dealt anew in every case."""
    prior: str = "flat"
    """``flat``: all options equally likely; ``net``: as in the net's population."""
    noise: float = 0.0
    """Probability that a member's finding is misread as another state, 0 to 0.5."""
    missing: float = 0.0
    """Probability that a member's finding was not taken, in [0, 1)."""

"""The diagnosing team as a decision process: members disclose findings, the judge decides.

It is `environments.team` with the seats of a clinic: a judge who knows the public findings, and one
seat for each member. Observations, actions and reward are those of
`environments.team.BatchedTeam`.

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.diagnosis.environment import Diagnosis, DiagnosisConfig
    >>> world = Diagnosis(DiagnosisConfig(), SplitPlan({Split.TEACHING: 10}))
    >>> env = parallel_env(world, render_mode="ansi")
    >>> env.possible_agents
    ['judge', 'member_1', 'member_2', 'member_3']
"""

from __future__ import annotations

from environments.base import PUBLIC, SOURCE
from environments.cases import Split
from environments.diagnosis.environment import Diagnosis
from environments.simulator import SimulatorParallelEnv
from environments.team import JUDGE, BatchedTeam
from environments.team import parallel_env as team_env


def clinic_seats(environment: Diagnosis) -> dict[str, str]:
    """Return seat name to information group: a judge with the public findings, and the members."""
    members = [group for group in environment.information if group not in (PUBLIC, SOURCE)]
    return {JUDGE: PUBLIC, **{member: member for member in members}}


def batched_team(environment: Diagnosis, rounds: int = 4) -> BatchedTeam:
    """Return the clinic for N cases at once; see `environments.team.BatchedTeam`."""
    return BatchedTeam(environment, clinic_seats(environment), rounds)


def parallel_env(
    environment: Diagnosis,
    rounds: int = 4,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return the clinic as a PettingZoo ``ParallelEnv``; see `environments.team`."""
    seats = clinic_seats(environment)
    return team_env(environment, seats, rounds, split, replicate, render_mode)

"""The checker of decision processes: ours pass, and each kind of break is found."""

import numpy as np
import pytest
from pettingzoo import ParallelEnv

from environments import ENVIRONMENTS
from environments.base import SplitPlan
from environments.cases import Split
from environments.playing_conformance import check_outside, check_simulator
from environments.team import BatchedTeam
from tests.environments.adapters.games import Careless, Meeting, TicTacToe

PLAN = SplitPlan({Split.TEACHING: 40, Split.CALIBRATION: 100})
PLAYED = [
    name
    for name in ENVIRONMENTS.shipped()
    if not name.endswith("_file")
    and name not in ("chess_mates", "gymnasium", "pettingzoo", "openspiel")
]


@pytest.mark.parametrize("name", PLAYED)
def test_every_shipped_environment_is_a_pettingzoo_environment(name):
    cls = ENVIRONMENTS.get(name)
    world = cls(cls.Config(), PLAN)
    findings = check_simulator(world.simulator, world.case_ids(Split.TEACHING, 0))
    assert len(findings) == 4
    assert not [str(finding) for finding in findings if not finding.ok]


class Nosy(BatchedTeam):
    """Observes how many are played beside it."""

    def observe(self):
        seen = super().observe()
        return {
            seat: {**own, "round": own["round"] + min(self.n - 1, 1)} for seat, own in seen.items()
        }


class Generous(BatchedTeam):
    """Pays a batch more than a single episode."""

    def _score(self):
        return {seat: paid + (self.n > 1) for seat, paid in super()._score().items()}


class Forgetful(BatchedTeam):
    """Plays other cases each time."""

    times = 0

    def reset(self, case_id):
        Forgetful.times += 1
        return super().reset(np.asarray(case_id) + Forgetful.times)


class Open(BatchedTeam):
    """Hands out arrays that can be written to."""

    def observe(self):
        return {s: {k: v.copy() for k, v in own.items()} for s, own in super().observe().items()}


@pytest.mark.parametrize(
    ("broken", "check", "detail"),
    [
        (Nosy, "many at once", "round differs in round 0"),
        (Generous, "many at once", "reward differs"),
        (Forgetful, "parallel_seed_test", "Assertion"),
        (Open, "written", "can be written to"),
    ],
)
def test_each_break_is_found(broken, check, detail):
    cls = ENVIRONMENTS.get("jury")
    world = cls(cls.Config(), PLAN)
    seats = {"judge": "public", "member_1": "member_1"}
    findings = check_simulator(lambda: broken(world, seats), world.case_ids(Split.TEACHING, 0))
    failed = [finding for finding in findings if not finding.ok]
    assert any(check in f.check and detail in f.detail for f in failed), list(map(str, failed))


def test_classes_of_others_are_checked_by_their_rules_and_played():
    assert all(f.ok for f in check_outside(Meeting, {"size": 5}))
    assert all(f.ok for f in check_outside(TicTacToe, {}))
    assert [f.ok for f in check_outside(Careless, {})] == [False, False]


class Mute(Meeting):
    """Forgets to return infos."""

    def reset(self, seed=None, options=None):
        return super().reset(seed, options)[0], None


def test_a_broken_parallel_env_is_a_finding_not_a_crash():
    assert issubclass(Mute, ParallelEnv)
    findings = check_outside(Mute, {})
    assert not findings[0].ok and "raised" in findings[0].detail
    assert not any("\n" in finding.detail for finding in findings)

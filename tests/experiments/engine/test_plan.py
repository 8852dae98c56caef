"""The plan is a pure function of the configuration and covers every case exactly once."""

import numpy as np
import pytest

from environments.cases import Split
from experiments.config.load import load_scenario
from experiments.engine.plan import Plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(
        load_scenario(
            "debate_teaches_weak",
            ["seeds=3", "seed=5", "splits.teaching=301", "schedule.ticks=4", "schedule.block=32"],
        )
    )


def test_teaching_blocks_cover_each_replicates_cases_once(plan):
    for replicate in plan.replicates:
        seen = np.concatenate(
            [
                np.arange(block.start, block.stop)
                for tick in range(1, 5)
                for block in plan.teaching_blocks(tick)
                if block.replicate == replicate
            ]
        )
        assert np.array_equal(np.sort(seen), np.arange(301))


def test_block_numbers_are_unique_within_a_tick(plan):
    for blocks in (plan.teaching_blocks(2), plan.exam_blocks(Split.TEST, plan.last_tick)):
        numbers = [block.number for block in blocks]
        assert len(set(numbers)) == len(numbers)
    teaching = {block.number for block in plan.teaching_blocks(2)}
    assert not teaching & {block.number for block in plan.exam_blocks(Split.CURVE, 2)}


def test_identities_are_disjoint_and_invertible(plan):
    ids = [plan.agent_id(r, name) for r in plan.replicates for name in plan.team] + plan.students
    assert len(set(ids)) == len(ids)
    for r in plan.replicates:
        for arm in plan.arms:
            assert plan.replicate_of(plan.student_id(r, arm)) == r
    assert set(plan.cohort_of(np.array(plan.students)).tolist()) == {plan.learner_cohort}


def test_replicates_are_their_seeds(plan):
    alone = Plan(load_scenario("debate_teaches_weak", ["seeds=1", "seed=6"]))
    assert alone.students[0] == plan.student_id(6, plan.arms[0])


def test_shares_partition_the_students(plan):
    shares = [plan.students_of(host, 5) for host in range(5)]
    assert sorted(sum(shares, [])) == plan.students

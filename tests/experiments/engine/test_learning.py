"""The whole pipeline teaches what it is given: the truth lifts a student, noise does not.

These are the runs that notice when samples and targets come apart between conversation and
learner, or when exams are held with old weights.
"""

import pytest

from tests.experiments.engine.small import flagship, run

SIZES = {
    "reading": ("splits.warm_start=60", "splits.teaching=1500"),
    "chess_puzzles": ("splits.warm_start=150", "splits.teaching=3000", "splits.calibration=500"),
}


@pytest.fixture(scope="module", params=list(SIZES))
def metrics(request, tmp_path_factory):
    config = flagship(
        *SIZES[request.param],
        "splits.curve=0",
        "splits.test=400",
        "schedule.ticks=3",
        "schedule.block=128",
        "schedule.snapshot_every=3",
        "learner.batch_size=32",
        "learner.warm_start_epochs=8",
        "agents.student.policy.model.hidden_size=48",
        "agents.student.policy.model.intermediate_size=96",
        "agents.student.policy.model.heads=4",
        arms=("C1", "C2", "U1"),
        environment=request.param,
    )
    path = tmp_path_factory.mktemp("runs") / request.param
    return run(config, path).summary["metrics"]


def accuracy(metrics, arm):
    return metrics[f"arm.{arm}.test_accuracy"]["value"]


@pytest.mark.slow
def test_the_ceiling_is_above_the_floor(metrics):
    """Two fixed seeds, 400 cases each: the standard error of a difference is below .03."""
    assert accuracy(metrics, "U2") > accuracy(metrics, "A0") + 0.06


@pytest.mark.slow
def test_a_judge_with_the_source_teaches_nearly_as_much_as_the_truth(metrics):
    assert accuracy(metrics, "U1") > accuracy(metrics, "U2") - 0.06


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["C1", "C2"])
def test_shuffled_and_random_verdicts_teach_nothing(metrics, arm):
    assert accuracy(metrics, arm) < accuracy(metrics, "A0") + 0.03
    assert accuracy(metrics, arm) < accuracy(metrics, "U2") - 0.1

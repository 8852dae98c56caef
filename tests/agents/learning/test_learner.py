"""The learner: exact steps, students that never touch each other, resume to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.language_model.backbone import configure_torch
from agents.language_model.policy import LanguageModel
from agents.learning.interface import CaseTexts, Experience, WeightVersion, weights_digest
from agents.learning.learner import SupervisedLearner
from agents.learning.settings import LearnerSettings
from environments.core.columns import Columns
from environments.core.errors import ConfigError, DataError
from tests.agents.language_model.toy import WORDS, asks, config
from tests.agents.learning.lessons import experience, texts_of

SETTINGS = LearnerSettings(batch_size=8, warm_start_epochs=6, warm_start_learning_rate=5e-3)
MODEL = config()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    configure_torch(1)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def learner(students, settings=SETTINGS, seed=0, adopt=True, model=MODEL):
    made = SupervisedLearner(model, settings, seed, students, WORDS)
    if adopt:
        for student, replicate in students.items():
            made.adopt([student], made._backbone.initial_weights(seed, replicate))
    return made


def digests(made):
    return made.publish().digests()


def random_targets(n, students):
    rng = np.random.default_rng(1)
    return {s: rng.dirichlet([1, 1], size=n) for s in students}


@pytest.mark.parametrize("scoring", ["verdict", "option"])
def test_a_subset_of_students_trains_to_the_same_bits(scoring):
    model = config(scoring=scoring)
    students = {3: 0, 4: 0, 9: 1}
    target = random_targets(20, students)
    settings = replace(SETTINGS, epochs=2)
    lessons = [experience(20, students, target, seed=s) for s in (0, 1)]
    whole = learner(students, settings, model=model)
    for tick, lesson in enumerate(lessons):
        whole.submit(lesson, tick)
    alone = {}
    for student, replicate in students.items():
        part = learner({student: replicate}, settings, model=model)
        for tick, lesson in enumerate(lessons):
            part.submit(lesson, tick)
        alone |= digests(part)
    assert digests(whole) == alone
    assert len(set(alone.values())) == 3  # targets made a difference


def test_training_continues_bit_for_bit_after_a_restore():
    students = {3: 0, 4: 0}
    target = random_targets(20, students)
    first, second = experience(20, students, target), experience(20, students, target, seed=1)
    straight = learner(students)
    straight.submit(first, 1)
    straight.publish()
    saved = {key: {k: v.copy() for k, v in part.items()} for key, part in straight.state().items()}
    straight.submit(second, 2)

    resumed = learner(students, adopt=False)
    resumed.restore(saved)
    assert resumed.submit(second, 2) == 1
    one, two = straight.publish(), resumed.publish()
    assert one.number == two.number == 1
    assert one.digests() == two.digests()

    # States of learners that hold one student each can be merged for one that holds both.
    merged = {}
    for student in students:
        part = learner({student: 0})
        part.submit(first, 1)
        part.publish()
        merged |= part.state()
    again = learner(students, adopt=False)
    again.restore(merged)
    again.submit(second, 2)
    assert again.publish().digests() == one.digests()

    # The optimizer's moments matter: weights alone do not continue the same way.
    forgetful = learner(students, adopt=False)
    forgetful.adopt([3], saved["student/3/weights"])
    forgetful.adopt([4], saved["student/4/weights"])
    forgetful.submit(second, 2)
    assert forgetful.publish().digests()[3] != one.digests()[3]


def test_a_step_is_adamw_on_the_declared_loss():
    """Against torch's own AdamW over separate parameters, with the loss written out."""
    from agents.language_model.scoring import collate, encode_case, score

    n = 12
    weight = {5: np.where(np.arange(n) % 3 == 0, 0.0, 1.0)}
    target = random_targets(n, [5])
    settings = replace(SETTINGS, weight_decay=0.1, clip_norm=0.05)
    made = learner({5: 0}, settings)
    made.submit(experience(n, [5], target, weight), 0)
    got = made.publish().students[5]

    backbone = learner({5: 0})._backbone
    leaves = {
        k: torch.nn.Parameter(v) for k, v in backbone.tensors(backbone.initial_weights(0)).items()
    }
    backbone.bind(leaves)
    optimizer = torch.optim.AdamW(leaves.values(), lr=settings.learning_rate, weight_decay=0.1)
    texts, _ = texts_of(n)
    for start, size in ((0, 8), (8, 4)):
        rows = range(start, start + size)
        cases = [
            encode_case(backbone, texts.context[i], tuple(texts.options[i]), (0, 1)) for i in rows
        ]
        logs = score(backbone, collate(backbone, cases, 2)).log_softmax(-1)
        loss = -sum(
            weight[5][i] * (torch.tensor(target[5][i], dtype=torch.float32) * logs[i - start]).sum()
            for i in rows
        )
        optimizer.zero_grad()
        (loss / size).backward()  # by the number of samples, not by the sum of weights
        torch.nn.utils.clip_grad_norm_(leaves.values(), 0.05)
        optimizer.step()
    for name, leaf in leaves.items():
        np.testing.assert_allclose(got[name], leaf.detach().numpy(), atol=2e-6, err_msg=name)
    start = backbone.initial_weights(0)
    assert max(np.abs(got[k] - start[k]).max() for k in got) > 1e-3


def test_what_has_no_weight_teaches_nothing():
    students = {3: 0, 4: 0}
    n = 16
    poison = {3: np.full((n, 2), np.nan), 4: np.eye(2)[np.zeros(n, dtype=int)]}
    made = learner(students)
    before = digests(made)
    made.submit(experience(n, students, poison, {3: np.zeros(n), 4: np.ones(n)}), 0)
    after = digests(made)
    assert after[3] == before[3]  # no step, so no decay and no momentum either
    assert after[4] != before[4]
    made.submit(experience(0, students), 1)
    assert digests(made) == after


def test_a_hole_does_not_make_its_neighbours_heavier():
    """Weights scale the gradient (the first moment, unclipped); the divisor stays the batch."""
    n = 8
    weight = {1: np.repeat([1.0, 0.0], 4), 2: np.repeat([1.0, 0.0], 4) * 0.5}
    made = learner({1: 0, 2: 0}, replace(SETTINGS, clip_norm=0.0))
    made.submit(experience(n, (1, 2), None, weight), 0)
    first, half = (made.state()[f"student/{s}/exp_avg"] for s in (1, 2))
    for name in first:
        np.testing.assert_allclose(half[name], 0.5 * first[name], rtol=1e-4, atol=1e-10)


def test_samples_of_other_students_are_ignored():
    one, two = learner({3: 0}), learner({3: 0})
    one.submit(experience(16, [3]), 0)
    two.submit(experience(16, [3, 8]), 0)
    assert digests(one) == digests(two)


def test_order_of_further_epochs_is_keyed_by_replicate_and_not_by_student():
    """Two arms with equal targets stay equal; the permutation is real."""
    settings = replace(SETTINGS, epochs=3)
    made = learner({3: 0, 4: 0}, settings)
    made.submit(experience(24, [3, 4]), 7)
    same = digests(made)
    assert same[3] == same[4]
    repeated = learner({3: 0}, replace(SETTINGS, epochs=1))
    for _ in range(3):
        repeated.submit(experience(24, [3]), 7)
    assert digests(repeated)[3] != same[3]
    first = learner({3: 0}, settings)
    first.submit(experience(24, [3]), 8)
    assert digests(first)[3] != same[3]  # another tick, another permutation


def test_every_epoch_gives_each_case_its_own_target_and_weight(monkeypatch):
    from agents.learning import learner as module

    n, seen = 24, []
    real = module.weighted_cross_entropy
    monkeypatch.setattr(
        module, "weighted_cross_entropy", lambda s, g: seen.append(g.numpy()) or real(s, g)
    )
    target, weight = random_targets(n, [3]), {3: np.linspace(0.1, 1.0, n)}
    made = learner({3: 0}, replace(SETTINGS, epochs=3))
    made.submit(experience(n, [3], target, weight), 0)
    want = weight[3][:, None] * target[3]
    goals = np.concatenate(seen).reshape(3, n, 2)
    np.testing.assert_allclose(goals[0], want, rtol=1e-6)
    for epoch in goals[1:]:
        assert not np.allclose(epoch, want)
        np.testing.assert_allclose(epoch[epoch[:, 0].argsort()], want[want[:, 0].argsort()], 1e-6)


def test_samples_are_taken_in_the_order_submitted():
    one, two = learner({3: 0}), learner({3: 0})
    one.submit(experience(16, [3]), 0)
    two.submit(experience(16, [3], order=np.arange(16)[::-1]), 0)
    assert digests(one) != digests(two)


def accuracy(model, weights, n=200):
    """Share of right rulings on unseen cases, through the cohort."""
    texts, right = texts_of(n, seed=77)
    question = replace(
        asks(n, version=np.full(n, 5), agent_id=np.zeros(n, dtype=np.int64)),
        case_id=texts.case_id,
    )
    text = replace(question.text, context=texts.context, options=texts.options)
    model.install(WeightVersion(5, {0: weights}))
    answers = model.answer(replace(question, text=text), Columns({"agent_id": question.agent_id}))
    return float((answers.choice == right).mean())


@pytest.fixture(scope="module")
def cohort():
    return LanguageModel(MODEL, 0, vocabulary=WORDS)


def test_warm_start_learns_the_rule_and_permuted_truth_does_not(cohort):
    texts, right = texts_of(200)
    made = learner({3: 0}, adopt=False)
    learned = made.warm_start(texts, right, 0)
    assert accuracy(cohort, learned) > 0.9
    noise = np.random.default_rng(0).permutation(right)
    assert accuracy(cohort, made.warm_start(texts, noise, 0)) < 0.75
    assert accuracy(cohort, made.warm_start(texts, 1 - right, 0)) < 0.1
    # Nothing is kept: the same call gives the same bits, another replicate others.
    assert weights_digest(made.warm_start(texts, right, 0)) == weights_digest(learned)
    assert weights_digest(made.warm_start(texts, right, 1)) != weights_digest(learned)


def test_warm_start_does_not_depend_on_the_order_of_cases():
    texts, right = texts_of(40)
    back = np.arange(40)[::-1]
    turned = CaseTexts(
        texts.case_id[back], [texts.context[i] for i in back], [texts.options[i] for i in back]
    )
    made = learner({3: 0}, replace(SETTINGS, warm_start_epochs=1), adopt=False)
    one, two = made.warm_start(texts, right, 0), made.warm_start(turned, right[back], 0)
    assert weights_digest(one) == weights_digest(two)


def test_online_teaching_moves_the_student_and_shuffled_targets_do_not(cohort):
    """The chain: experience, learner, weight version, cohort."""
    students = {3: 0, 4: 0, 5: 0}
    n = 160
    _, right = texts_of(n)
    target = {
        3: 0.9 * np.eye(2)[right] + 0.05,
        4: 0.9 * np.eye(2)[np.random.default_rng(2).permutation(right)] + 0.05,
        5: np.full((n, 2), 0.5),
    }
    made = learner(students, replace(SETTINGS, learning_rate=5e-3, epochs=4))
    ticket = made.submit(experience(n, students, target), 1)
    version = made.publish()
    assert (ticket, version.number) == (0, 0) and set(version.students) == set(students)
    taught = {s: accuracy(cohort, version.students[s]) for s in students}
    assert taught[3] > 0.9 and taught[4] < 0.75 and taught[5] < 0.75
    losses = made.losses()
    assert losses[3] < losses[4] and abs(losses[5] - np.log(2)) < 0.05


def test_published_weights_are_copies_that_nobody_can_change():
    made = learner({3: 0})
    version = made.publish()
    before = version.digests()
    with pytest.raises(ValueError, match="read-only"):
        version.students[3]["lm_head.weight"][0] = 1.0
    made.submit(experience(16, [3]), 0)
    assert version.digests() == before
    assert made.publish().number == 1


def test_mistakes_are_one_line():
    def refused(error, match, work):
        with pytest.raises(error, match=match) as caught:
            work()
        assert "\n" not in str(caught.value)

    refused(
        ConfigError,
        "learning_rate: got -1",
        lambda: learner({}, replace(SETTINGS, learning_rate=-1)),
    )
    refused(ConfigError, "batch_size: got 0", lambda: learner({}, replace(SETTINGS, batch_size=0)))
    refused(
        ConfigError,
        "got 'bfloat16' for a student, allowed: float32",
        lambda: learner({}, model=config(model={"dtype": "bfloat16"})),
    )
    empty = learner({3: 0}, adopt=False)
    refused(
        ConfigError,
        "student 3 has samples but no weights",
        lambda: empty.submit(experience(4, [3]), 0),
    )
    refused(ConfigError, "student 8 is not owned", lambda: empty.adopt([8], {}))
    refused(ConfigError, "student 3 is missing", lambda: empty.restore({"counters": {}}))
    lesson = experience(4, [3])
    long = replace(lesson.texts, context=["sun " * 80, *lesson.texts.context[1:]])
    refused(
        DataError,
        "case 0: its text has .* allowed: 1 to 64",
        lambda: learner({3: 0}).submit(Experience(lesson.samples, long), 0),
    )
    state = learner({3: 0}).state()
    state["student/3/exp_avg"] = {}
    other = learner({3: 0}, adopt=False)
    state["student/3/step"] = {"step": np.array([4])}
    refused(ConfigError, "missing or of another shape", lambda: other.restore(state))

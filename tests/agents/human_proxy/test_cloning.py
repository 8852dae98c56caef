import json
from dataclasses import replace

import numpy as np
import pytest

from agents.conformance import check_policy, example_asks
from agents.human_proxy.cloning import ClonedPerson, ClonedPersonConfig, clone
from agents.human_proxy.features import FEATURES, summary_features
from agents.human_proxy.logit import ChoiceLogit, fit_choice_logit
from agents.human_proxy.situations import situations
from coordination.messages import MessageKind
from environments.core.columns import frozen
from environments.core.errors import ConfigError, DataError
from environments.core.keyed import Keyed
from tests.agents.human_proxy.people import answers, person, two
from tests.agents.policies.build import Said, log, make_asks, swapped


@pytest.fixture(scope="module")
def recorded():
    asks = example_asks(12_000, seed=4)
    return asks, answers(person("typical_person"), asks).choice


@pytest.fixture(scope="module")
def model(recorded):
    return clone(*recorded)


def features(asks) -> dict[str, list[float]]:
    x = summary_features(asks)[0]
    return {name: x[:, place].tolist() for place, name in enumerate(FEATURES)}


def test_features_say_what_they_claim():
    llr = np.array([[1.2, 0.0], [0.0, 2.0]])
    said = [
        Said(0, 0, (0,), verified=(True,), stance=0, words=40),
        Said(1, 1, (1,), verified=(False,), stated=(0.1, 0.9), stance=1, words=60),
    ]
    found = features(make_asks(log(0.3, 0.7), llr, said))
    assert found["prior"] == pytest.approx(np.log([0.3, 0.7]).tolist())
    assert found["verified"] == [1.2, 0.0] and found["unmarked"] == [0.0, 2.0]
    assert found["advice"] == pytest.approx([0.05, -0.05])  # mean of (1, 0) and (.1, .9), less .5
    assert found["first"] == [0.5, -0.5] and found["last"] == pytest.approx([-0.4, 0.4])
    assert found["voices"] == [0.5, 0.5] and found["words"] == [0.4, 0.6]
    assert found["shown_first"] == [1.0, 0.0]
    assert features(swapped(make_asks(log(0.3, 0.7))))["shown_first"] == [0.0, 1.0]


def test_known_coefficients_are_recovered_within_their_errors():
    n, b = 30_000, np.array([1.0, -0.5, 0.0])
    x = Keyed(1, "x").normal(np.arange(n), shape=(4, 3))
    mask = np.arange(4) < (2 + np.arange(n) % 3)[:, None]
    scores = np.where(mask, x @ b + Keyed(1, "g").gumbel(np.arange(n), shape=(4,)), -np.inf)
    fitted = fit_choice_logit(x, mask, scores.argmax(axis=1), ("a", "b", "c"))
    errors = fitted.standard_errors()
    assert (np.abs(fitted.coefficients - b) < 3 * errors).all() and errors.max() < 0.02
    weight = np.where(mask, np.exp(x @ fitted.coefficients), 0.0)
    p = weight / weight.sum(axis=1, keepdims=True)
    chosen = np.take_along_axis(x, scores.argmax(axis=1)[:, None, None], axis=1)[:, 0]
    residual = (chosen - (p[:, :, None] * x).sum(axis=1)).sum(axis=0)
    ridge = fitted.ridge * fitted.coefficients
    assert residual == pytest.approx(ridge, abs=1e-3)  # the gradient is zero at a maximum


def test_a_clone_predicts_its_original_better_than_chance_and_without_bias(recorded, model):
    asks, _ = recorded
    fresh = example_asks(12_000, seed=5)
    truth = answers(person("typical_person"), fresh).choice
    log_p = model.log_probs(summary_features(fresh), fresh.option_mask)
    got = log_p[np.arange(fresh.n), truth].mean()
    assert got > np.log(1 / fresh.n_options).mean() + 0.08
    assert np.exp(log_p)[:, 0].mean() == pytest.approx((truth == 0).mean(), abs=0.012)


def test_the_policy_conforms_and_chooses_as_often_as_it_believes(tmp_path, model):
    path = str(tmp_path / "clone.json")
    model.save(path)
    policy = ClonedPerson(ClonedPersonConfig(file=path), 0)
    assert [f for f in check_policy(policy) if not f.ok] == []
    asks = situations(two(0.8, 20_000))
    got = answers(policy, asks)
    assert (got.choice == 0).mean() == pytest.approx(got.probs[0, 0], abs=0.01)
    firm = ClonedPerson(ClonedPersonConfig(file=path, decisive=True), 0)
    assert (answers(firm, asks).choice == 0).all()
    told = answers(policy, replace(asks, intent=MessageKind.LABEL))
    assert (told.stance == 0).all()


def test_files_round_trip_and_bad_ones_are_named(tmp_path, model):
    path = tmp_path / "clone.json"
    model.save(path)
    again = ChoiceLogit.load(path)
    assert np.array_equal(again.coefficients, model.coefficients) and again.n == model.n
    plain = json.loads(path.read_text())
    bad = {
        "nonsense": "{",
        "other": json.dumps({"format": "x"}),
        "newer": json.dumps({**plain, "version": 9}),
        "short": json.dumps({**plain, "coefficients": [1.0]}),
        "nan": json.dumps({**plain, "coefficients": [float("nan")] * len(FEATURES)}),
        "count": json.dumps({**plain, "n": "many"}),
        "names": json.dumps({**plain, "features": []}),
    }
    for name, text in bad.items():
        file = tmp_path / f"{name}.json"
        file.write_text(text)
        with pytest.raises(DataError, match=f"{name}.json"):
            ChoiceLogit.load(file)
    with pytest.raises(DataError, match="cannot read"):
        ChoiceLogit.load(tmp_path / "none.json")
    fewer = fit_choice_logit(np.zeros((1, 2, 1)), np.ones((1, 2), bool), np.array([0]), ("a",))
    fewer.save(path)
    with pytest.raises(DataError, match="features a; a person has prior"):
        ClonedPerson(ClonedPersonConfig(file=str(path)), 0)
    with pytest.raises(ConfigError, match="cloned_person.file: missing"):
        ClonedPerson(ClonedPersonConfig(), 0)


def test_without_decisions_there_is_nothing_to_clone(recorded):
    asks, choice = recorded
    few = asks.take(np.arange(5))
    with pytest.raises(ConfigError, match="no decision to learn from"):
        clone(few, np.full(5, -1))
    unknown = replace(few, assessment=frozen(np.full((5, 3), np.nan)))
    with pytest.raises(ConfigError, match="no decision to learn from"):
        clone(unknown, choice[:5])


def test_unanimous_choices_give_finite_coefficients():
    fitted = clone(situations(two(0.9, 50)), np.zeros(50, dtype=np.int64))
    assert np.isfinite(fitted.coefficients).all() and fitted.log_likelihood <= 0

"""Recursive protocols through the engine: verdicts, costs of whole families of rooms, refusals."""

import numpy as np
import pytest

from environments.core.errors import ConfigError
from experiments.analysis.ledger_view import NEEDED, verdicts, with_costs
from experiments.config.load import from_yaml_text, load_scenario
from experiments.engine.run import run_scenario
from experiments.progress import NullProgress
from experiments.runs.directory import RunDirectory

SMALL = ("runtime=inprocess", "seeds=1", "splits.teaching=24", "schedule.block=12")
LEVELS = 3
RIGHT = {"recursive_debate", "amplification", "market_making", "prover_estimator"}


def run(path, *overrides, only=None):
    config = load_scenario("computation_tree", [*SMALL, "analysis.bootstrap=50", *overrides])
    for name in set(config.conversations) - set(only or config.conversations):
        del config.conversations[name]
    run_scenario(config, path, NullProgress(), report=False)
    opened = RunDirectory.open(path)
    return {name: opened.read(name, columns=columns) for name, columns in NEEDED.items()}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return run(tmp_path_factory.mktemp("tree") / "run")


def by_conversation(tables, column):
    found = with_costs(tables, verdicts(tables))
    return {
        name: found[column][found["conversation"] == name] for name in set(found["conversation"])
    }


def test_every_recursive_protocol_is_right_and_the_judge_alone_is_not(tables):
    right = by_conversation(tables, "correct")
    assert all(right[name].all() for name in RIGHT)
    assert not right["alone"].all() and len(right["alone"]) == 24


def test_the_cost_of_a_conversation_is_that_of_its_whole_family(tables):
    rulings = by_conversation(tables, "rulings")
    expected = {"alone": 1, "market_making": 1, "amplification": 1 + 3 + 9 + 27}
    expected |= dict.fromkeys(("recursive_debate", "prover_estimator"), LEVELS + 1)
    for name, count in expected.items():
        np.testing.assert_array_equal(rulings[name], count)
    messages = by_conversation(tables, "messages")
    # 27 quotes, and 39 answers brought home.
    np.testing.assert_array_equal(messages["amplification"], 27 + 39)
    # A level: 2 arguments, 6 answers, 1 check, 1 outcome; the leaf: one side has what to quote.
    np.testing.assert_array_equal(messages["recursive_debate"], 10 * LEVELS + 2)


def test_obfuscated_errors_turn_the_comparison_around(tmp_path):
    both = ("prover_estimator", "recursive_debate")
    obfuscated = ("environment.obfuscated=true", "splits.teaching=60")
    tables = run(tmp_path / "run", *obfuscated, only=both)
    right = by_conversation(tables, "correct")
    assert right["prover_estimator"].all() and right["recursive_debate"].mean() < 0.8


def test_a_recursive_protocol_is_refused_where_claims_do_not_split():
    text = """
    name: nowhere
    environment: jury
    splits: {teaching: 4}
    schedule: {ticks: 1}
    agents:
      a: {role: strong, information: source, policy: tree_expert}
      judge: {role: human_proxy, policy: tree_judge}
    conversations:
      c: {protocol: amplification, seats: {witness: a, judge: judge}}
    """
    with pytest.raises(ConfigError) as error:
        from_yaml_text(text)
    assert "conversations.c.protocol: 'amplification' splits claims" in str(error.value)
    assert "'jury' does not have" in str(error.value)


def test_the_chain_of_the_documentation_can_be_run(tmp_path):
    from pathlib import Path

    document = Path(__file__).resolve().parents[3] / "docs" / "recursion.md"
    chain = document.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    text = "name: chain\nenvironment: computation_tree\n" + chain
    config = from_yaml_text(text, ["runtime=inprocess", "splits.teaching=40", "schedule.ticks=1"])
    run_scenario(config, tmp_path / "run", NullProgress(), report=False)
    assert RunDirectory.open(tmp_path / "run").read("rooms").n == 80


def test_language_models_can_take_the_seats(tmp_path):
    model = "{hidden_size: 16, intermediate_size: 16, layers: 1, heads: 2, max_length: 256}"
    policy = f"{{name: language_model, model: {model}}}"
    seats = [f"agents.{name}.policy={policy}" for name in ("judge", "expert_b")]
    sizes = ("splits.teaching=2", "schedule.ticks=1", "environment.depth=1")
    only = ("recursive_debate", "prover_estimator")
    tables = run(tmp_path / "run", *seats, *sizes, only=only)
    for name in ("messages", "decisions"):
        assert not tables[name]["fault"].any()
    assert set(by_conversation(tables, "correct")) == set(only)

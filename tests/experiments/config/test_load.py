"""A scenario becomes complete and checked, or one line says why not."""

from __future__ import annotations

import pytest

from environments.core.errors import ConfigError, UnknownNameError
from experiments.config.load import from_yaml_text, load_scenario, resolved_yaml, with_runtime
from tests.experiments.config.toys import SCENARIO, toys  # noqa: F401 - a fixture


def load(*overrides: str, text: str = SCENARIO):
    return from_yaml_text(text, overrides)


def complaint(*overrides: str, text: str = SCENARIO) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*overrides, text=text)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_come_from_the_component_that_the_name_selects():
    config = load()
    assert config.environment == {
        "name": "toy_world",
        "world_seed": 0,
        "noise": 0.5,
        "levels": [1, 2],
    }
    assert config.agents["expert"].policy == {
        "name": "toy_mind",
        "beta": 1.0,
        "stage": {"weight": None},
    }
    assert config.agents["person"].policy["beta"] == 2.0
    assert config.agents["person"].policy["stage"] == {"weight": 0.39}
    assert config.learner.batch_size == 32


def test_the_resolved_text_loads_to_the_same_configuration():
    config = load("seeds=3", "runtime=inprocess", "agents.person.policy.beta=1e-3")
    text = resolved_yaml(config)
    assert from_yaml_text(text) == config
    assert resolved_yaml(from_yaml_text(text)) == text
    assert "environments:" not in text


def test_overrides_reach_every_depth():
    config = load(
        "seeds=5",
        "learner.learning_rate=1e-2",
        "conversations.talk.protocol.rounds=4",
        "environment.levels=[3]",
        "runtime=inprocess",
        "ray.address=auto",
        "description=",
    )
    assert (config.seeds, config.learner.learning_rate) == (5, 0.01)
    assert config.conversations["talk"].protocol["rounds"] == 4
    assert config.environment["levels"] == [3]
    assert config.runtime.name == "inprocess"
    assert config.runtime.ray.address == "auto"
    assert config.description == ""


def test_another_topology_goes_by_its_own_settings():
    """The scenario's: communities, degree 12, outside 0.2; a person's own are never dropped."""
    ring = load_scenario("oversight_at_scale", ["population.topology=ring"]).population.topology
    assert (ring.name, ring.degree, ring.outside) == ("ring", 12, 0.1)
    draw = "population.team.draws.proposer.place=anywhere"
    for given in ("population.topology=mixed", "population.topology.name=mixed"):
        mixed = load_scenario("oversight_at_scale", [given, draw]).population.topology
        assert (mixed.name, mixed.degree) == ("mixed", 8)
    same = load_scenario("oversight_at_scale", ["population.topology=communities"])
    assert same.population.topology.outside == 0.2
    with pytest.raises(ConfigError, match="outside: given 0.2, which the topology 'ring' does not"):
        load_scenario(
            "oversight_at_scale", ["population.topology.outside=.2", "population.topology=ring"]
        )


@pytest.mark.parametrize(
    ("overrides", "name", "address"),
    [
        ((), "inprocess", ""),
        (("ray.address=auto",), "ray", "auto"),
        (("runtime.ray.address=10.0.0.5:6379",), "ray", "10.0.0.5:6379"),
        (("ray.address=auto", "runtime=inprocess"), "inprocess", "auto"),
        (("runtime=inprocess", "ray.address=auto"), "inprocess", "auto"),
        (("ray.address=",), "inprocess", ""),
    ],
)
def test_an_address_asks_for_ray(overrides, name, address):
    runtime = load_scenario("population", overrides).runtime
    assert (runtime.name, runtime.ray.address) == (name, address)


def test_choosing_an_environment_merges_its_own_section():
    config = load()
    assert (config.splits.teaching, config.splits.curve) == (64, 16)
    other = load("environment=toy_prose")
    assert other.environment == {"name": "toy_prose", "file": "cases.jsonl"}
    assert (other.splits.teaching, other.splits.curve, other.splits.test) == (32, 0, 32)
    assert other.agents["pupil"].policy == {"name": "toy_reader", "width": 4}
    assert other.agents["expert"].policy == {"name": "toy_reader", "width": 8}


@pytest.mark.parametrize("spelling", ["environment=toy_prose", "environment.name=toy_prose"])
@pytest.mark.parametrize("first", [True, False])
def test_order_of_overrides_does_not_matter(spelling, first):
    more = ["splits.teaching=48", "environment.file=mine.jsonl"]
    config = load(*([spelling, *more] if first else [*more, spelling]))
    assert config.splits.teaching == 48
    assert config.environment["file"] == "mine.jsonl"


def test_switching_a_component_drops_the_keys_of_the_old_one():
    config = load("agents.person.policy=toy_reader")
    assert config.agents["person"].policy == {"name": "toy_reader", "width": 8}
    config = load("agents.pupil.policy.name=toy_mind", "agents.pupil.policy.beta=3")
    assert config.agents["pupil"].policy["beta"] == 3.0
    assert "width" not in config.agents["pupil"].policy


def test_naming_the_same_component_again_keeps_its_keys():
    assert load("agents.person.policy=toy_mind").agents["person"].policy["beta"] == 2.0
    assert load("environment=toy_world").environment["noise"] == 0.5


def test_a_mapping_on_the_command_line_replaces():
    seats = "conversations.talk.seats={speaker: person, judge: expert}"
    assert load(seats).conversations["talk"].seats == {"speaker": "person", "judge": "expert"}


def test_null_takes_an_entry_out_and_leaves_other_keys_empty():
    assert "expert" in load().agents
    message = complaint("agents.expert=null")  # the conversation still seats it
    assert "unknown agent 'expert'" in message
    config = load("agents.person.policy.stage.weight=null")
    assert config.agents["person"].policy["stage"]["weight"] is None


TAUGHT = "debate_teaches_weak"


def test_one_override_sets_the_model_of_every_language_model():
    config = load_scenario("weak_to_strong", ["policy.model=/m", "agents.weak.policy.model=/small"])
    models = {name: agent.policy["model"] for name, agent in config.agents.items()}
    assert {name: model["path"] for name, model in models.items()} == {
        "weak": "/small",
        "middle": "/m",
        "strong": "/m",
    }
    own = load_scenario("weak_to_strong").agents["strong"].policy["model"]
    assert models["strong"] == {**own, "path": "/m"}  # nothing else of it changes


def test_keys_of_all_language_models_reach_no_other_policy():
    before = load_scenario(TAUGHT)
    after = load_scenario(TAUGHT, ["policy.model.max_length=64", "policy.temperature=0.5"])
    assert after.agents["student"].policy["model"]["max_length"] == 64
    assert after.agents["student"].policy["temperature"] == 0.5
    others = set(before.agents) - {"student"}
    assert all(after.agents[name] == before.agents[name] for name in others)


def test_an_agent_switched_on_the_same_line_counts():
    config = load_scenario("debate", ["policy.model=/m", "agents.judge.policy=language_model"])
    assert config.agents["judge"].policy["model"]["path"] == "/m"


def test_a_model_may_be_given_as_text_to_a_language_model_alone():
    written = "agents.judge.policy={name: language_model, model: /m}"
    assert load_scenario("debate", [written]).agents["judge"].policy["model"]["path"] == "/m"
    served = "agents.judge.policy={name: endpoint, url: 'http://127.0.0.1:1/v1', model: m}"
    config = load_scenario("debate", [served, "agents.judge.policy.model=n"])
    assert config.agents["judge"].policy["model"] == "n"


def test_interpolation_reads_other_keys_and_defaults():
    config = load("seed=${schedule.ticks}", "environment.noise=${feedback.fraction}")
    assert config.seed == config.schedule.ticks
    assert config.environment["noise"] == config.feedback.fraction


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("sedes=3", ["unknown key 'sedes'", "did you mean seeds"]),
        (
            "policy.model=/m",
            ["no agent of this scenario is one", "agents.NAME.policy=lang"],
        ),
        ("protocol.rounds=3", ["unknown key 'protocol'", "conversations.NAME.protocol"]),
        ("learner.batchsize=3", ["'batchsize' at learner", "did you mean batch_size"]),
        ("agents.persn.policy.beta=3", ["unknown agent 'persn'", "did you mean person"]),
        ("arms.taugt.label=x", ["unknown arm 'taugt'", "did you mean taught"]),
        ("environment=toy_wrld", ["unknown environment 'toy_wrld'", "did you mean toy_world"]),
        ("environment.nois=1", ["key of environment 'toy_world'", "did you mean noise"]),
        ("agents.expert.policy=toy_mnd", ["unknown policy 'toy_mnd'", "agents.expert.policy.name"]),
        ("conversations.talk.protocol=tok", ["unknown protocol 'tok'"]),
        ("arms.taught.objective=toy_gaol", ["unknown objective", "did you mean toy_goal"]),
        ("seeds=many", ["seeds: expected an integer, given 'many' (text)"]),
        ("seeds=2.5", ["seeds: expected an integer, given 2.5 (a number)"]),
        ("seeds=true", ["seeds: expected an integer, given True"]),
        ("learner.learning_rate=.nan", ["learner.learning_rate", "nan"]),
        ("conversations.talk.verification=no", ["expected true or false, given 'no'"]),
        ("environment.noise=loud", ["environment.noise: expected a number, given 'loud'"]),
        ("environment.levels=3", ["environment.levels: expected a list, given 3"]),
        ("environment.levels=[1, a]", ["environment.levels[1]: expected an integer"]),
        ("agents.person.policy.stage.wait=1", ["'wait' at agents.person.policy.stage", "weight"]),
        ("agents.person.policy.stage=1", ["agents.person.policy.stage: expected a mapping"]),
        ("splits=3", ["splits: expected a mapping, given 3"]),
        ("agents=3", ["agents: expected a mapping"]),
        ("agents.person=3", ["agents.person: expected a mapping"]),
        ("seeds.x=3", ["seeds: expected an integer, given {'x': 3}"]),
        ("name.x=3", ["name.x: name is 'toy', it has no keys inside"]),
        ("seeds", ["'seeds' is not of the form key=value"]),
        ("=3", ["is not of the form key=value"]),
        ("seeds=[1", ["seeds:1: not valid YAML"]),
        ("agents.pupil.policy.width=3", ["agents.pupil.policy", "even numbers"]),
        ("environments.toy_world.seeds=2", ["environments"]),
        ("seed=${oc.env:HOME}", ["only ${another.key} is allowed"]),
        ("seed=${nowhere}", ["seed", "nowhere"]),
    ],
)
def test_one_line_names_key_given_and_allowed(override, parts):
    message = complaint(override)
    for part in parts:
        assert part in message


def test_missing_values_are_named():
    assert "agents.expert.role: missing" in complaint(
        text=SCENARIO.replace("{role: strong, information: source", "{information: source")
    )
    text = SCENARIO.replace("    environment: {file: cases.jsonl}\n", "")
    message = complaint("environment=toy_prose", text=text)
    assert message.startswith("environment.file: missing")
    text = SCENARIO.replace("policy: {name: toy_reader, width: 16}", "policy: {}")
    assert "agents.pupil.policy.name: a policy is needed (allowed:" in complaint(text=text)


def test_a_section_for_an_unknown_environment_is_refused():
    message = complaint(text=SCENARIO.replace("  toy_prose:", "  toy_pose:"))
    assert "unknown environment 'toy_pose' at environments; did you mean toy_prose" in message


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO.replace("name: toy\n", ""))
    assert load_scenario(str(path)).name == "mine"
    with pytest.raises(ConfigError, match="no such scenario file"):
        load_scenario(str(tmp_path / "other.yaml"))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mine\.yaml: cannot be read"):
        load_scenario(str(path))


def test_an_unknown_scenario_is_named():
    with pytest.raises(UnknownNameError, match="unknown scenario 'debat'"):
        load_scenario("debat")


def test_only_the_runtime_of_a_run_may_change():
    config = load()
    moved = with_runtime(config, ["runtime=inprocess", "runtime.cohort_hosts=3", "ray.address=x"])
    assert moved.runtime.cohort_hosts == 3
    moved.runtime = config.runtime
    assert moved == config
    with pytest.raises(ConfigError, match="seeds: a run is continued as it was begun"):
        with_runtime(config, ["seeds=4"])
    with pytest.raises(ConfigError, match="only runtime keys may change"):
        with_runtime(config, ["runtimes.name=ray"])

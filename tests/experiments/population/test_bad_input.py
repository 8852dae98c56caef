"""What cannot run is one line that names key, given and allowed; nothing is half-written."""

import pytest

from agents.policies.resident import Resident
from environments.core.errors import NoMemoryError
from experiments.cli import main
from experiments.config.load import from_yaml_text
from experiments.population.shard_host import ShardHost
from experiments.runs.directory import RunDirectory
from tests.experiments.population.small import drive, go_on, small

SMALL = ("population.size=100", "schedule.ticks=1", "runtime=inprocess")

CASES = {
    "population.size=4": "population.size: given 4, fewer agents than a team's 5 seats (",
    "population.size=7": "population.communities: 8 of them (given, or the scenario's own) for p",
    "population.size=4000000000": "population.size: 4000000000 agents need about ",
    "ray.adress=x": "unknown key 'adress' at runtime.ray; did you mean address?",
    "population.kinds.weak.fraction=.5": "weak 0.5, strong 0.02, sum 0.52; shares must be 0 or",
    "population.kinds.weak.fraction=-.5": "shares must be 0 or more and sum to 1",
    "population.kinds.weak.role=boss": "unknown role 'boss'",
    "population.kinds.strong.skill=1.5": "kinds.strong.skill.mean: given 1.5, allowed: 0 to 1",
    "population.kinds.weak.information=secret": "unknown information group 'secret'",
    "population.kinds.weak.policy=endpoint": "'endpoint' asks a server; language models of a",
    "population.kinds.weak.learning={law: beta, mean: .5, sd: .6}": "a beta law in 0 … 1 needs",
    "population.communities=200": "for population.size=100 agents; allowed: 1 to 100",
    "population.topology=star": "unknown topology 'star'",
    "population.topology={name: ring, degree: 3}": "ring needs an even one",
    "population.topology=edge_list": "an edge_list is read from a file, none is given",
    "population.topology.degree=64": "given 64, which the topology 'mixed' does not go by",
    "population.topology={name: ring, rewire: .5}": "choose one that does (small_world)",
    "population.topology={name: grid, file: a.csv}": "topology.file: given 'a.csv', which",
    "population.team.draws.advisor.place=ties": "ties, but topology mixed has none",
    "population.team.draws.advisor.kind=guru": "unknown kind 'guru'",
    "population.team.draws.judge={kind: strong}": "unknown seat 'judge'",
    "population.channel.loss=2": "population.channel.loss: given 2.0, allowed: 0 to 1",
    "population.channel.hears_from={judge: 1}": "unknown seat 'judge' at population.channel.hears",
    "population.team.topology=star": "population.team.topology.hub: 'star' needs the seat 'ju",
    "population.team.topology=rings": "unknown topology 'rings'",
    "population.word_limit=-1": "population.word_limit: given -1, allowed: 0 to ",
    "population.kinds.weak.adapter.rank=2": "but 'resident' is numeric and has no weights to adapt",
    "population.team.share=0": "population.team.share: given 0, allowed: above 0, up to 1",
    "population.protocol=debat": "unknown protocol 'debat'",
    "population.trust.feedback=rumour": "unknown value 'rumour'",
    "population.ledger=none": "unknown value 'none'",
    "runtime.shards=101": "runtime.shards: given 101, more than there are agents, allowed: 1 to 15",
    "runtime.shards=17": "runtime.shards: given 17, allowed: 1 to 15 (100 agents in",
    "seeds=3": "seeds: given 3, a population run has 1",
    "splits.curve=-1": "splits.curve: given -1",
}


def refused(capsys, tmp_path, *overrides):
    """Run it; return the one line of the error."""
    out = tmp_path / "runs" / "run"
    given = {text.split("=")[0] for text in overrides}
    small = [text for text in SMALL if text.split("=")[0] not in given]
    assert main(["run", "population", *small, *overrides, f"out={out}"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in lines if not line.endswith("] starting hosts")]  # progress
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert not out.parent.exists()
    return lines[0]


@pytest.mark.parametrize("override", CASES)
def test_one_line_and_nothing_written(override, capsys, tmp_path):
    assert CASES[override] in refused(capsys, tmp_path, override)


def test_a_language_model_has_no_skill_that_grows(capsys, tmp_path):
    reads = ("population.kinds.weak.policy=language_model", "population.kinds.weak.growth=.1")
    assert "population.kinds.weak.growth: given 0.1, but a lang" in refused(
        capsys, tmp_path, *reads
    )


def test_adapters_of_agents_are_set_in_one_place(capsys, tmp_path):
    reads = ("population.kinds.weak.policy=language_model", "population.kinds.weak.adapter.steps=0")
    assert "population.kinds.weak.adapter.steps: given 0, all" in refused(capsys, tmp_path, *reads)
    policy = "population.kinds.weak.policy={name: language_model, adapter: {rank: 2}}"
    line = refused(capsys, tmp_path, policy)
    assert "policy.adapter.rank: given 2; adapters of a population's agents are set by" in line


def test_an_edge_list_with_an_unknown_agent_names_file_and_line(capsys, tmp_path):
    file = tmp_path / "ties.csv"
    file.write_text("source,target\n0,1\n2,100\n", "utf-8")
    line = refused(capsys, tmp_path, f"population.topology={{name: edge_list, file: {file}}}")
    assert f"{file}:3: unknown agent 100 as target" in line
    file.write_text("source,target\n0,1\n2,3\n4,5,6\n", "utf-8")
    line = refused(capsys, tmp_path, f"population.topology={{name: edge_list, file: {file}}}")
    assert f"{file}:4: expected 2 columns, got 3" in line


def test_rows_of_an_edge_list_that_become_no_tie_are_told(capsys, tmp_path):
    file, out = tmp_path / "ties.csv", tmp_path / "run"
    file.write_text("source,target\n0,1\n1,0\n0,1\n5,5\n2,3\n", "utf-8")
    few = ("splits.teaching=50", "splits.curve=20", "splits.test=20", "population.exam=20")
    ties = f"population.topology={{name: edge_list, file: {file}}}"
    assert main(["run", "population", *SMALL, *few, ties, f"out={out}"]) == 0
    told = (
        f"{file}: 3 rows became no tie: 1 link an agent with itself, 2 two agents whom another "
        "row links (in either direction)"
    )
    shown = capsys.readouterr()
    assert f"note: {told}" in shown.err.splitlines()
    lines = RunDirectory.open(out).metrics()
    assert [line.get("edge_list") for line in lines] == [{"loops": 1, "repeats": 2}, None, None]
    assert f"Ties are read from {told}." in (out / "report.html").read_text("utf-8")


def test_a_topology_of_fewer_agents_than_a_team(capsys, tmp_path):
    few = ("population.size=5", "population.communities=1", "population.kinds.strong.fraction=.4")
    line = refused(capsys, tmp_path, *few, "population.kinds.weak.fraction=.6")
    assert "population.size: given 5 with 3 agents for the 4 seats member_1, member_2" in line


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (
            "shard_host.State",
            "shard-0 cannot get the memory for its 100 agents (Unable to allocate",
        ),
        ("driver.World", "out of memory: Unable to allocate"),
    ],
)
def test_a_shard_that_cannot_get_its_memory(where, told, capsys, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise MemoryError("Unable to allocate 7.3 TiB")

    monkeypatch.setattr(f"experiments.population.{where}", refuse)
    assert told in refused(capsys, tmp_path, "splits.test=10")


def test_memory_that_runs_out_in_a_round_is_one_line_and_leaves_what_was_committed(
    capsys, tmp_path, monkeypatch
):
    """In one process; under Ray the shard is rebuilt first, see test_ray."""
    out, sound = tmp_path / "run", ShardHost.converse
    few = (*SMALL, "splits.test=10", "schedule.ticks=2", "schedule.snapshot_every=1")

    def refuse(host, stamp, *lent):
        if stamp.tick == 2:
            raise MemoryError("Unable to allocate 7.3 TiB")
        return sound(host, stamp, *lent)

    monkeypatch.setattr(ShardHost, "converse", refuse)
    assert main(["run", "population", *few, f"out={out}", "--quiet"]) == 2
    [line] = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    for told in (
        "out of memory: Unable to allocate 7.3 TiB; asked for: 100 agents with 0 ties on 1 shard,",
        "population.size, population.topology and population.team.share lower it",
        f"continue with: facilitate resume {out}",
    ):
        assert told in line
    left = RunDirectory.open(out)
    assert [tick.tick for tick in left.manifest.ticks] == [0, 1] and left.verify().equal
    monkeypatch.setattr(ShardHost, "converse", sound)
    config = from_yaml_text((out / "config.yaml").read_text("utf-8"))
    assert go_on(config, out).manifest.ticks[-1].tick == 3


def test_a_policy_without_memory_is_no_faulty_answer(tmp_path, monkeypatch):
    """What an agent says must not depend on the machine."""

    def refuse(policy, asks, minds):
        raise MemoryError("Unable to allocate 7.3 TiB")

    monkeypatch.setattr(Resident, "answer", refuse)
    with pytest.raises(NoMemoryError, match=r"Unable to allocate 7.3 TiB; asked for: 330 agents"):
        drive(small("splits.curve=0"), tmp_path / "run")


def test_a_population_is_shown_listed_and_verified(capsys, tmp_path):
    out = tmp_path / "run"
    few = ("splits.teaching=50", "splits.curve=20", "splits.test=20", "population.exam=20")
    assert main(["run", "population", *SMALL, *few, f"out={out}", "--quiet"]) == 0
    page = (out / "report.html").read_text("utf-8")
    for text in ("What the agents learned", "Over communities", "whom they came to trust"):
        assert text in page
    capsys.readouterr()
    assert main(["verify", str(out)]) == 0
    assert "copies of messages: 96 sent = 96 delivered + 0 in" in capsys.readouterr().err
    assert main(["report", "--brief", str(out)]) == 0
    assert "Unaided, the weak agents" in capsys.readouterr().out

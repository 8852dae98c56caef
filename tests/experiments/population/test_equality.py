"""One population, one result: whatever the shards, the order of arrival and the sizes of work."""

import numpy as np
import pytest

from coordination.ledger.schema import TABLES
from coordination.messages import Delivery, Fault
from environments.core.keyed import Keyed
from experiments.population.report import render_population
from experiments.population.state import State
from experiments.population.summary import metrics
from experiments.population.world import World
from experiments.runtime.inprocess import InProcessRuntime
from tests.experiments.population.small import drive, small

FULL = "population.ledger=full"
TIES = (
    "population.topology={name: communities, degree: 6}",
    "population.team.draws.advisor.place=ties",
    "population.trust.feedback=audited",
    "population.trust.fraction=.5",
)


class Shuffled(InProcessRuntime):
    """Runs waiting calls in a drawn order once they are gathered, as answers may arrive."""

    def __init__(self, seed):
        super().__init__()
        self._draw, self._waves = Keyed(seed, "arrival"), 0
        self.waiting = []

    def call(self, host, method, stamp, *arguments):
        ticket = _Later(host, method, stamp, arguments)
        self.waiting.append(ticket)
        return ticket

    def gather(self, tickets, deadline_s):
        self._waves += 1
        for place in self._draw.permutation(len(tickets), self._waves).tolist():
            late = tickets[place]
            late.done = super().call(late.host, late.method, late.stamp, *late.arguments)
        return [ticket.done.result for ticket in tickets]


class _Later:
    def __init__(self, host, method, stamp, arguments):
        self.host, self.method, self.stamp, self.arguments = host, method, stamp, arguments

    @property
    def payload(self):
        return self.done.payload


@pytest.fixture(scope="module", params=[(), (*TIES, FULL)], ids=["mixed", "ties"])
def overrides(request):
    return request.param


@pytest.fixture(scope="module")
def reference(overrides, tmp_path_factory):
    return drive(small(*overrides), tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return drive(small(*TIES, FULL), tmp_path_factory.mktemp("runs") / "full")


@pytest.mark.parametrize("shards", [2, 3, 5])
def test_the_digest_does_not_depend_on_shards_or_arrival(overrides, reference, shards, tmp_path):
    config = small(*overrides, f"runtime.shards={shards}")
    run = drive(config, tmp_path / "run", Shuffled(shards))
    assert run.ledger_digest == reference.ledger_digest
    assert run.metrics() == reference.metrics()
    files = [{file.name: file.digest for file in r.manifest.snapshots[-1].files}
             for r in (run, reference)]  # fmt: skip
    assert files[0] == files[1] and len(files[0]) == 5
    assert run.verify().equal


def test_another_seed_is_another_result(full, tmp_path):
    other = drive(small(*TIES, FULL, "seed=1"), tmp_path / "run")
    assert other.ledger_digest != full.ledger_digest


def test_sizes_of_work_leave_what_was_said_and_learned_as_it_is(full, tmp_path):
    run = drive(small(*TIES, FULL, "population.room_block=1000"), tmp_path / "run")
    for table in ("states", "population"):
        assert run.read(table).digest() == full.read(table).digest()
    for table in ("messages", "deliveries", "decisions", "scores"):
        kept = [name for name in TABLES[table].columns if name != "block"]
        ours, theirs = (r.read(table, columns=kept) for r in (run, full))
        assert ours.digest() == theirs.digest()


def test_advisors_who_are_no_ties_are_counted(full):
    """Recounted from who sat in the rooms; a stranger is of the same kind, so it is no tie."""
    ties = World(small(*TIES)).ties()
    for tick in (1, 2):
        said = full.read("messages", ticks=[tick], where={"seat": "advisor"}).sort_by("room_id")
        votes = full.read("decisions", ticks=[tick], where={"seat": "member_1", "presentation": -1})
        votes = votes.sort_by("room_id")
        assert np.array_equal(said["room_id"], votes["room_id"]) and said.n > 50
        strange = (ties.find(votes["agent_id"], said["agent_id"]) < 0).sum()
        counted = full.metrics()[tick]["draws"]["advisor"]
        assert 0 < strange < said.n
        assert counted == {"drawn": said.n, "elsewhere": strange}
        rows = full.read("draws", ticks=[tick])
        assert (rows["drawn"].sum(), rows["elsewhere"].sum()) == (said.n, strange)
    flat = metrics(full.metrics(), small(*TIES, FULL), {})
    share = flat["draws.advisor.elsewhere"]
    total = full.read("draws")
    assert share.value == total["elsewhere"].sum() / total["drawn"].sum()
    page = render_population(full, small(*TIES, FULL), None)
    assert "filled from elsewhere, %" in page


def test_aggregates_are_the_sums_of_the_full_ledger(full, tmp_path):
    lean = drive(small(*TIES), tmp_path / "run")
    assert lean.read("messages").n == 0
    assert lean.metrics() == full.metrics()
    world = World(small(*TIES))
    honest = State(world, 0, world.size, world.ties()).columns["honest"]
    for line in full.metrics()[1:3]:
        tick = [line["tick"]]
        teams = {k: sum(one[k] for one in line["teams"].values()) for k in line["teams"]["0"]}
        scores = full.read("scores", ticks=tick, where={"presentation": -1})
        votes = scores["agent_id"] >= 0  # the others are the teams' own decisions
        assert teams["votes_right"] == scores["correct"][votes].sum()
        right = scores["correct"] == 1
        assert teams["right"] == right[~votes].sum()
        decided = full.read("decisions", ticks=tick, where={"presentation": -1, "agent_id": -1})
        assert teams["undecided"] == (decided["choice"] < 0).sum()
        said = full.read("messages", ticks=tick)
        liars = said["room_id"][~honest[said["agent_id"]]]
        misled = ~votes & np.isin(scores["room_id"], liars)
        assert teams["misled"] == misled.sum() and 0 < misled.sum() < teams["rooms"]
        assert teams["misled_right"] == (misled & right).sum()
        assert teams["votes"] == votes.sum() == 4 * teams["rooms"]
        assert teams["messages"] == full.read("messages", ticks=tick).n == teams["rooms"]
        status = full.read("deliveries", ticks=tick)["status"]
        assert teams["sent"] == len(status) == 4 * teams["rooms"]
        for became in Delivery:
            assert teams[became.name.lower()] == (status == became).sum()
        assert teams["sent"] == sum(teams[became.name.lower()] for became in Delivery)


@pytest.mark.parametrize(
    "overrides",
    [
        ("population.protocol=deliberation", "population.team.draws.advisor=null"),
        ("population.kinds.strong.dishonest=.3",),
    ],
    ids=["any may speak", "members vote only"],
)
def test_a_team_is_misled_where_a_dishonest_agent_spoke(overrides, tmp_path):
    """Those who sit there and say nothing, since all agree or by the protocol, do not count."""
    config = small(*overrides, FULL, "population.kinds.weak.dishonest=.4")
    run = drive(config, tmp_path / "run")
    world = World(config)
    honest = State(world, 0, world.size, None).columns["honest"]
    for line in run.metrics()[1:3]:
        tick = [line["tick"]]
        said = run.read("messages", ticks=tick, where={"fault": Fault.NONE})
        sat = run.read("decisions", ticks=tick, where={"presentation": -1})
        sat = sat.take(sat["agent_id"] >= 0)
        spoke = set(said["room_id"][~honest[said["agent_id"]]].tolist())
        there = set(sat["room_id"][~honest[sat["agent_id"]]].tolist())
        counted = sum(team["misled"] for team in line["teams"].values())
        assert counted == len(spoke) and there - spoke and spoke


def test_truth_reaches_no_agent_that_learns_by_agreement(tmp_path):
    """With another option called right the teams score otherwise, and learn the same."""
    runs = [
        drive(small(f"mutations.permute_truth={flag}"), tmp_path / flag)
        for flag in ("false", "true")
    ]
    states = [run.read("states") for run in runs]
    assert states[0].digest() == states[1].digest()
    assert runs[0].ledger_digest != runs[1].ledger_digest
    assert all("feedback" not in run.manifest.ticks[-1].extra["truth_spent"] for run in runs)


def test_audits_are_charged(full):
    spent = full.manifest.ticks[-1].extra["truth_spent"]
    rooms = sum(sum(one["rooms"] for one in line["teams"].values()) for line in full.metrics())
    assert 0.3 * rooms < spent["feedback"] < 0.7 * rooms  # about 5 sigma of 150 fair coins


def test_blank_messages_teach_nothing(tmp_path):
    run = drive(small("mutations.blank_messages=true"), tmp_path / "run")
    last = run.metrics()[-1]["kinds"]["0"]
    assert last["certainty"] == 0
    heard = drive(small(), tmp_path / "heard").metrics()[-1]["kinds"]["0"]
    assert heard["certainty"] > 0


def test_every_pool_agent_sits_in_one_team_a_tick(tmp_path):
    run = drive(small("population.ledger=full"), tmp_path / "run")
    decisions = run.read("decisions", where={"presentation": -1})
    for tick in (1, 2):
        who = decisions["agent_id"][decisions["tick"] == tick]
        who = who[who >= 0]  # the team itself is nobody
        assert len(who) == len(np.unique(who)) == 296  # 297 weak agents in teams of four


def test_the_state_of_every_block_is_in_the_ledger(tmp_path):
    run = drive(small(), tmp_path / "run")
    states = run.read("states", ticks=[3])
    assert states["first"].tolist() == [0, 66, 132, 198, 264]
    assert states["agents"].sum() == 330

"""Rosters, ties and teams: exact counts, and the same whoever computes them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordination.population.config import MIXED, USED, Draw, TeamConfig, TopologyConfig
from coordination.population.edge_list import read_edge_list
from coordination.population.roster import Roster
from coordination.population.teams import TeamSampler
from coordination.population.ties import GENERATORS, build_ties, ties_of
from environments.core.errors import ConfigError, DataError

SEATS = ("advisor", "judge", "member_1", "member_2", "member_3")
DRAWS = {"advisor": Draw("strong"), "judge": Draw("person", "other_community")}
KINDS = ["weak", "strong", "person"]


def sampler(size=500, topology=None, draws=DRAWS, communities=4, share=1.0, blocks=5):
    roster = Roster(size, [0.7, 0.2, 0.1], communities, seed=1)
    ties = build_ties(TopologyConfig(topology), roster, 1) if topology else None
    config = TeamConfig(draws=dict(draws), share=share)
    block = -(-size // blocks)
    made = TeamSampler(roster, KINDS, SEATS, config, block, ties is not None, seed=1)
    return made, roster, ties


def all_teams(made, ties, tick):
    groups = [made.teams(tick, group, ties) for group in range(made.groups)]
    room = np.concatenate([team.room for team in groups])
    seats = {s: np.concatenate([team.seats[s] for team in groups]) for s in SEATS}
    return room, seats


@pytest.mark.parametrize("communities", [1, 4])
def test_members_are_the_same_listed_and_computed(monkeypatch, communities):
    listed, computed = (Roster(503, [0.7, 0.3], communities, seed=2) for _ in range(2))
    for kind in (0, 1):
        rank = np.random.default_rng(kind).integers(listed.count(kind), size=40)
        kept = [listed.member(kind, rank) for _ in range(2)]  # listed at first, then looked up
        with monkeypatch.context() as patch:
            patch.setattr("coordination.population.roster._LISTED", 10)
            one_by_one = computed.member(kind, rank)
        assert all(np.array_equal(found, one_by_one) for found in kept)
        assert kept[1].dtype == np.int64
        assert (computed.rank_of(one_by_one, kind) == rank).all()
    assert not computed._listed and sorted(listed._listed) == [0, 1]


@pytest.mark.parametrize("communities", [1, 4, 7])
def test_kinds_have_their_shares_everywhere(communities):
    roster = Roster(1003, [0.6, 0.38, 0.02], communities, seed=5)
    agents = np.arange(1003)
    kind, community = roster.kind_of(agents), roster.community_of(agents)
    sizes = np.bincount(community)
    assert sizes.max() - sizes.min() <= 1 and len(sizes) == communities
    for k, share in enumerate((0.6, 0.38, 0.02)):
        assert abs((kind == k).sum() - share * 1003) <= 1
        members = roster.member(k, np.arange(roster.count(k)))
        assert set(members.tolist()) == set(agents[kind == k].tolist())
        assert (roster.rank_of(members, k) == np.arange(len(members))).all()
        for c in range(communities):
            here = ((kind == k) & (community == c)).sum()
            assert here == roster.count_in(k, np.array([c]))[0]
            assert abs(here - share * sizes[c]) <= 2


def test_dealt_out_teams_are_a_partition_of_the_pool():
    made, roster, _ = sampler()
    for tick in (1, 2):
        room, seats = all_teams(made, None, tick)
        members = np.concatenate([seats[f"member_{i}"] for i in (1, 2, 3)])
        assert len(np.unique(members)) == len(members) == 348  # 350 weak agents in teams of three
        assert (roster.kind_of(members) == 0).all()
        assert (roster.kind_of(seats["advisor"]) == 1).all()
        assert room.tolist() == list(range(116))
        often = np.bincount(seats["advisor"])[np.unique(seats["advisor"])]
        assert set(often.tolist()) <= {1, 2}  # 100 strong agents in 116 teams
        there, here = (roster.community_of(seats[s]) for s in ("judge", "member_1"))
        assert (there != here).all()
    again = all_teams(made, None, 2)[1]
    assert all((again[s] == seats[s]).all() for s in SEATS)


@pytest.mark.parametrize("topology", ["ring", "random", "hierarchy"])
def test_with_ties_everybody_of_the_pool_calls_once_in_so_many_ticks(topology):
    draws = {"advisor": Draw("strong", "ties"), "judge": Draw("strong", "ties")}
    made, roster, ties = sampler(300, topology, draws)
    rooms = []
    for tick in (3, 4, 5):  # weak and people in three member seats; ticks 3 to 5 are one turn
        room, seats = all_teams(made, ties, tick)
        assert (seats["member_1"] == room).all()
        rooms.append(room)
        table = np.stack([seats[s] for s in SEATS], axis=1)
        assert all(len(set(row)) == 5 for row in table.tolist())
        known = ties.find(np.repeat(room, 4), np.delete(table, 2, axis=1).ravel()) >= 0
        assert known.mean() > (0.8 if topology == "ring" else 0.6)  # strong ties can be too few
        assert (roster.kind_of(seats["advisor"]) == 1).all()
    called = np.concatenate(rooms)
    assert len(called) == len(np.unique(called)) == made.pool_size == 240


def test_seats_that_no_tie_can_fill_are_counted():
    """By hand: of six weak agents one knows two strong ones, one knows one, four know none."""
    roster = Roster(10, [0.6, 0.4], 1, seed=3)
    kind = roster.kind_of(np.arange(10))
    weak, strong = np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)
    links = [(weak[0], strong[0]), (weak[0], strong[1]), (weak[1], strong[0]), (weak[2], weak[3])]
    ties = ties_of(10, tuple(np.array(end) for end in zip(*links, strict=True)))
    draws = {"advisor": Draw("strong", "ties"), "judge": Draw("strong", "ties")}
    seats = ("advisor", "judge", "member_1")
    made = TeamSampler(roster, KINDS[:2], seats, TeamConfig(draws=draws), 5, True, seed=3)
    found = [made.teams(1, group, ties) for group in (0, 1)]
    counts = {seat: sum(team.elsewhere[seat] for team in found) for seat in draws}
    assert sum(team.n for team in found) == 6 and counts == {"advisor": 4, "judge": 5}
    who = {
        int(room): {int(team.seats[seat][row]) for seat in draws}
        for team in found
        for row, room in enumerate(team.room)
    }
    assert who[weak[0]] == {strong[0], strong[1]} and strong[0] in who[weak[1]]
    assert sampler(300, "ring")[0].teams(1, 0, sampler(300, "ring")[2]).elsewhere == {}


def test_a_group_is_the_same_with_a_shards_own_ties():
    made, _, ties = sampler(300, "small_world", {})
    own = ties.rows(120, 240)
    whole, part = made.teams(7, 3, ties), made.teams(7, 3, own)
    assert all((whole.seats[s] == part.seats[s]).all() for s in SEATS)


def test_a_share_of_the_teams_meets():
    assert sampler(share=0.5)[0].rooms == 58
    made, _, ties = sampler(3000, "ring", {}, share=0.5)
    met = sum(made.teams(1, group, ties).n for group in range(made.groups))
    assert abs(met - 300) < 60  # of 600 callers, 5 sigma of a fair coin


@pytest.mark.parametrize("topology", sorted(GENERATORS))
def test_ties_are_mutual_sorted_and_without_loops(topology):
    roster = Roster(400, [1.0], 4, seed=2)
    config = TopologyConfig(topology, **({"degree": 6} if "degree" in USED[topology] else {}))
    ties = build_ties(config, roster, 2)
    agent = np.repeat(np.arange(400), np.diff(ties.start))
    assert (agent != ties.other).all()
    assert (np.diff(agent * 400 + ties.other) > 0).all()  # ascending, so no tie comes twice
    assert (ties.find(ties.other, agent) >= 0).all()
    assert (ties.find(agent, ties.other) == np.arange(ties.n)).all()
    assert build_ties(config, roster, 2).other.tolist() == ties.other.tolist()
    assert ties.start.nbytes + 12 * ties.n < 8 * 401 + 12 * 400 * 7


def test_links_that_are_no_ties_are_counted():
    assert set(USED) == {MIXED, "edge_list", *GENERATORS}
    links = ([0, 1, 0, 0, 2, 2], [1, 0, 0, 1, 3, 2])
    ties = ties_of(4, tuple(np.array(end) for end in links))
    assert (ties.n, ties.loops, ties.repeats) == (4, 2, 2)
    own = ties.rows(2, 4)
    assert (own.n, own.loops, own.repeats) == (2, 2, 2)


def test_the_shapes_of_topologies():
    roster = Roster(2000, [1.0], 4, seed=3)

    def degrees(name, **settings):
        return np.diff(build_ties(TopologyConfig(name, **settings), roster, 3).start)

    assert set(degrees("ring", degree=4).tolist()) == {4}
    assert degrees("grid").max() == 4
    assert abs(degrees("random", degree=8).mean() - 8) < 0.2
    hubs = degrees("scale_free", degree=6)
    assert hubs.max() > 8 * hubs.mean() and hubs.min() >= 1  # heavy tail; a ring's is its mean
    ties = build_ties(TopologyConfig("communities", degree=10, outside=0.2), roster, 3)
    agent = np.repeat(np.arange(2000), np.diff(ties.start))
    left = roster.community_of(agent) != roster.community_of(ties.other)
    assert abs(left.mean() - 0.2 * 3 / 4) < 0.03  # a quarter of those that leave come back home
    tree = build_ties(TopologyConfig("hierarchy", span=3), roster, 3)
    assert tree.other[: tree.start[1]].tolist() == [1, 2, 3]
    assert tree.other[tree.start[1] : tree.start[2]].tolist() == [0, 2, 3, 4, 5, 6]


def test_an_agent_without_ties_meets_strangers():
    roster = Roster(60, [1.0], 1, seed=1)
    ties = ties_of(60, (np.array([0]), np.array([1])))
    config = TeamConfig()
    made = TeamSampler(roster, ["weak"], ("member_1", "member_2", "member_3"), config, 60, True, 1)
    team = made.teams(0, 0, ties)
    table = np.stack(list(team.seats.values()), axis=1)
    assert all(len(set(row)) == 3 for row in table.tolist())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_edge_lists_are_read(tmp_path, suffix):
    file = tmp_path / f"ties.{suffix}"
    if suffix == "csv":
        file.write_text("weight,source,target\n.5,0,3\n1,2,1\n", "utf-8")
    else:
        pq.write_table(pa.table({"source": [0, 2], "target": [3, 1]}), file)
    source, target = read_edge_list(str(file), 4)
    assert source.tolist() == [0, 2] and target.tolist() == [3, 1]
    with pytest.raises(DataError, match=f":{2 if suffix == 'csv' else 1}: unknown agent 3 as"):
        read_edge_list(str(file), 3)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("source,target\n0,1\nx,1\n", r"ties.csv:3: source must be an agent's id, got 'x'"),
        ("source,target\n0,\n", r"ties.csv:2: target"),
        ("source,target\n0,1.5\n", r"ties.csv:2: target must be an agent's id, got '1.5'"),
        ("from,to\n0,1\n", r"ties.csv:1: no column 'source'"),
        ("source,target\n0,1,2\n", r"ties.csv:2: expected 2 columns, got 3"),
    ],
)
def test_a_malformed_edge_list_names_the_line(tmp_path, text, problem):
    file = tmp_path / "ties.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(DataError, match=problem):
        read_edge_list(str(file), 10)


def test_what_cannot_be_a_team():
    with pytest.raises(ConfigError, match=r"sum 0.9; shares must be 0 or more and sum to 1"):
        Roster(10, [0.7, 0.2], 1, 0)
    with pytest.raises(ConfigError, match="3 agents for the 5 seats"):
        sampler(3, draws={}, communities=1)


@pytest.mark.parametrize("rows", ["", "1,1\n2,2\n"])
def test_an_edge_list_that_links_nobody_is_refused(tmp_path, rows):
    file = tmp_path / "ties.csv"
    file.write_text("source,target\n" + rows)
    with pytest.raises(DataError, match=r"no row links two agents \([02] rows\)"):
        read_edge_list(str(file), 10)

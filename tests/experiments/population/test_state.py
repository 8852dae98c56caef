"""What a tick writes into agents, as exact numbers."""

import numpy as np
import pytest

from environments.core.columns import Columns, constant
from environments.core.keyed import Keyed
from experiments.population import groups
from experiments.population.aggregates import state_rows
from experiments.population.groups import Groups
from experiments.population.seated import Seated
from experiments.population.state import CHANGING, FIXED, State
from experiments.population.world import World
from tests.experiments.population.small import small

RATE = 0.25
ALL_SPEAK = ("population.team.draws={}",)
TIES = ("population.topology=ring", f"population.trust.rate={RATE}", "environment.n_options=2")


@pytest.fixture
def state():
    world = World(small(*TIES))
    return State(world, 0, world.size, world.ties())


def settle(state, lesson, good, speaker, agent=0):
    """Settle meetings of one agent with one speaker about topic 0, one a row."""
    n = len(good)
    state.settle(
        Seated(
            agent=np.full(n, agent),
            topic=np.zeros(n, dtype=np.int16),
            order=None,
            speaker_role=np.zeros((n, 1), dtype=np.int8),
            speaker=np.full((n, 1), speaker),
        ),
        Columns(
            {
                "lesson": np.asarray(lesson, dtype=np.float64)[:, None],
                "good": np.array(good)[:, None],
                "marks": np.full(n, 0b010),
            }
        ),
    )


@pytest.mark.parametrize(("good", "bad"), [(3, 1), (1, 3), (2, 0), (0, 2)])
def test_trust_in_a_tie_moves_once_by_the_mean_of_what_was_seen(state, good, bad):
    other = int(state.ties.pick(np.array([0]), np.array([2]))[0])
    place = int(state.ties.find(np.array([0]), np.array([other]))[0])
    before = state.tie_trust.copy()
    settle(state, [0.0] * (good + bad + 1), [1] * good + [0] * bad + [-1], other)
    kept = (1 - RATE) ** (good + bad)
    expected = kept * float(before[place]) + (1 - kept) * good / (good + bad)
    assert state.tie_trust[place] == np.float32(expected)
    rest = np.arange(len(before)) != place
    assert (state.tie_trust[rest] == before[rest]).all()


def test_a_speaker_who_is_no_tie_moves_trust_in_the_role_only(state):
    before = state.tie_trust.copy()
    trust = state.world.config.population.trust
    settle(state, [0.0] * 4, [1, 1, 0, -1], speaker=150)
    assert (state.tie_trust == before).all()
    alpha, beta = state.columns["trust_alpha"], state.columns["trust_beta"]
    assert alpha[0, 0] == np.float32(trust.alpha + 2 * trust.success)
    assert beta[0, 0] == np.float32(trust.beta + trust.failure)
    assert (alpha[1:] == np.float32(trust.alpha)).all()
    assert alpha.shape == beta.shape == (state.n, 1)  # only the strong speak


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_remembered_is_bounded_after_the_sum(state, sign):
    limit = state.world.config.population.belief_limit
    assert limit == 6.0
    state.columns["learning"] = np.full(state.n, 0.5, dtype=np.float32)
    remembered = state.columns["remembered"]
    remembered[0, 0] = sign * 5.5
    settle(state, [sign * 4.0, -sign * 3.5], [-1, -1], speaker=150)  # + 2 - 1.75: 5.75
    assert remembered[0, 0] == sign * 5.75
    settle(state, [sign * 4.0], [-1], speaker=150)  # 7.75 is cut
    assert remembered[0, 0] == sign * 6.0
    settle(state, [-sign * 1.0], [-1], speaker=150)  # and from the bound it moves back
    assert remembered[0, 0] == sign * 5.5
    assert not remembered[0, 1:].any() and not remembered[1:].any()


def test_counters_count_rows_and_marks(state):
    settle(state, [0.0] * 3, [-1, -1, -1], speaker=150, agent=7)
    assert state.columns["met"][7] == 3 == state.columns["met"].sum()
    assert state.columns["heard"][7] == 3 == state.columns["heard"].sum()
    assert not state.columns["spoke"].any() and not state.columns["lost"].any()


@pytest.mark.parametrize("options", [2, 3])
def test_who_sits_once_is_settled_as_if_somebody_sat_twice(options):
    """A second seat in which nothing happens takes the other way through the same sums."""
    world = World(small(*TIES, *ALL_SPEAK, f"environment.n_options={options}"))
    draw = Keyed(5, "settling")
    n, wide = 120, options - 1  # of the agents, so that others sit nowhere
    agent = draw.permutation(world.size, 0)[:n]
    rows = np.arange(n)
    seats = {
        "agent": agent,
        "topic": draw.integers(world.environment.n_topics, 1, rows).astype(np.int16),
        "speaker_role": np.repeat(draw.integers(2, 2, rows)[:, None], 2, axis=1).astype(np.int8),
        "speaker": draw.integers(world.size, 3, rows, shape=(2,)),
    }
    seats["speaker_role"][:, 1] = 1
    writes = {
        "lesson": (9 * draw.normal(4, rows, shape=(wide,))).astype(np.float32),
        "good": (draw.integers(3, 5, rows, shape=(2,)) - 1).astype(np.int8),
        "marks": draw.integers(8, 6, rows).astype(np.uint8),
    }
    nothing = {"lesson": 0.0, "good": -1, "marks": 0}
    found = []
    for more in (0, 1):
        state = State(world, 0, world.size, world.ties())
        learning = draw.uniform(7, np.arange(world.size)).astype(np.float32)
        state.columns["learning"] = learning
        own = {k: np.concatenate([v, v[:more]]) for k, v in seats.items()}
        told = {k: np.concatenate([v, np.full_like(v[:more], nothing[k])])
                for k, v in writes.items()}  # fmt: skip
        for _ in range(2):  # the second time from what the first has left
            state.settle(Seated(order=None, **own), Columns(told))
        found.append(state)
    once, twice = found
    twice.columns["met"][agent[0]] -= 2
    for name, column in once.columns.items():
        assert (column == twice.columns[name]).all(), name
    assert (once.tie_trust == twice.tie_trust).all()
    assert np.abs(once.columns["remembered"]).max() == world.config.population.belief_limit
    assert once.columns["trust_alpha"].shape == (world.size, 2)
    assert (once.columns["trust_alpha"][agent].max(axis=0) > 1).all()


@pytest.mark.parametrize("options", [2, 3])
@pytest.mark.parametrize("speak", [(), ALL_SPEAK], ids=["one role", "two roles"])
def test_what_is_lent_is_each_agents_own(options, speak):
    """Row by row, whether everybody sits once (the order of agents is used) or somebody twice."""
    state = changed(World(small(*speak, f"environment.n_options={options}")))
    world, column = state.world, state.columns
    wide, roles = options - 1, world.speaking_roles
    agent = Keyed(6, "lending").permutation(world.size, 0)[:250]
    topic = (agent % world.environment.n_topics).astype(np.int16)
    both = np.stack([agent % len(roles), np.full(250, len(roles) - 1)], axis=1)
    lent = []
    for more in (0, 1):
        rows = np.concatenate([np.arange(250), np.arange(more)])
        seated = Seated(agent[rows], topic[rows], None, roles[both[rows]].astype(np.int8), None)
        lent.append(state.lend(seated, 1).rows(0, 250))
    for way in lent:
        for i, who in enumerate(agent.tolist()):
            start = wide * int(topic[i])
            remembered = column["remembered"][who, start : start + wide]
            assert (way["remembered"][i] == remembered).all() and remembered.all()
            good, bad = column["trust_alpha"][who, both[i]], column["trust_beta"][who, both[i]]
            assert (way["trust"][i] == good / (good + bad)).all()
            assert way["skill"][i] == column["skill"][who]
            assert way["honest"][i] == column["honest"][who]
            assert (way["values"][i] == column["values"][who]).all()


def changed(world, ties=None):
    """Return agents who have all met and learned."""
    state = State(world, 0, world.size, ties)
    draw = Keyed(8, "changed")
    for number, name in enumerate(CHANGING):
        column = state.columns[name]
        found = draw.uniform(number, np.arange(world.size), shape=(column[0].size,))
        column[:] = (1 + 9 * found).reshape(column.shape)
    return state


def test_an_altered_state_has_another_digest_and_nothing_else_can_be_altered():
    world = World(small(*TIES))
    state = changed(world, world.ties())
    blocks = range(world.n_blocks)
    before = [state.digest(block) for block in blocks]
    assert before == [changed(world, world.ties()).digest(block) for block in blocks]
    first, stop = world.agents_of(1)
    ends = state.ties.start[[first, stop]] - [0, 1]
    places = [(state.tie_trust, (int(end),)) for end in ends]
    for name in CHANGING:
        column = state.columns[name]
        last = () if column.ndim == 1 else (column.shape[1] - 1,)
        places += [(column, (first, *(0 for _ in last))), (column, (stop - 1, *last))]
    for column, place in places:
        old = column[place]
        column[place] = np.nextafter(old, 99) if column.dtype.kind == "f" else old + 1
        found = [state.digest(block) for block in blocks]
        assert [one == other for one, other in zip(found, before, strict=True)] == [
            block != 1 for block in blocks
        ]
        column[place] = old
    assert [state.digest(block) for block in blocks] == before
    fixed = set(state.columns) - set(CHANGING)
    assert {"kind", "honest", "skill", "learning", "values", "adapter"} == fixed
    assert not any(state.columns[name].flags.writeable for name in fixed)


@pytest.mark.parametrize("most", [2, 70, 150, 2**16])
def test_what_is_counted_is_the_sum_over_agents(most, monkeypatch):
    """In blocks of 66, of agents of three communities, one or several counted together."""
    monkeypatch.setattr(groups, "STRIP", most)
    world = World(small(*TIES, "environment.n_options=3"))
    state = changed(world, world.ties())
    agent = np.arange(world.size)
    who, right = agent[::7], agent[::7] % 2
    found = [state_rows(state, 3, strip, (who, right)) for strip in state.strips]
    assert len(found) == {2: 5, 70: 5, 150: 3, 2**16: 1}[most]
    rows = Columns.concat([one["population"] for one in found])
    column = state.columns
    block, community = agent // world.block, world.roster.community_of(agent)
    keys = np.stack([rows[name] for name in ("block", "community", "kind")], axis=1).tolist()
    assert keys == np.unique([block, community, column["kind"]], axis=1).T.tolist()
    assert (rows["tick"] == 3).all()
    certainty = np.abs(column["remembered"].astype(float)).mean(axis=1)
    trust = column["trust_alpha"][:, 0] / (column["trust_alpha"] + column["trust_beta"])[:, 0]
    for place, key in enumerate(keys):
        mine = (block == key[0]) & (community == key[1]) & (column["kind"] == key[2])
        assert rows["agents"][place] == mine.sum() > 0
        assert abs(rows["certainty"][place] - FIXED * certainty[mine].sum()) <= mine.sum()
        assert rows["trust_strong"][place] == np.rint(trust[mine] * FIXED).sum(dtype=float)
        assert rows["trust_weak"][place] == FIXED // 2 * mine.sum()  # nobody weak speaks
        assert rows["examined"][place] == mine[who].sum()
        assert rows["examined_right"][place] == right[mine[who]].sum()
        start, stop = state.ties.start[:-1][mine], state.ties.start[1:][mine]
        ties = rows["ties_honest"][place] + rows["ties_dishonest"][place]
        assert ties == (stop - start).sum()
    states = Columns.concat([one["states"] for one in found])
    assert states["block"].tolist() == list(range(5))
    assert states["first"].tolist() == [66 * number for number in range(5)]
    assert states["agents"].tolist() == [66] * 5
    assert states["state"].tolist() == [state.digest(number) for number in range(5)]


def test_sums_by_group_are_exact():
    code = np.array([9, 4, 9, 7, 4, 9])
    columns = {
        "reals": np.array([2.0**52, 1, 1, 3, 4, 2]),
        "narrow": np.array([200, 200, 100, 1, 100, 100], dtype=np.uint8),
        "flags": np.array([True, True, False, True, True, True]),
        "same": constant(5, 6),
    }
    found = Groups.of(code)
    assert found.code.tolist() == [4, 7, 9] and found.size.tolist() == [2, 1, 3]
    sums = {name: total.tolist() for name, total in found.sums(columns).items()}
    assert sums == {
        "reals": [5, 3, 2**52 + 3], "narrow": [300, 1, 400], "flags": [2, 1, 2], "same": [10, 5, 15]
    }  # fmt: skip

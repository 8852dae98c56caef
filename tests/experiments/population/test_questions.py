"""Scenarios of populations: what grows, what is trusted, and the sentence that numbers generate."""

import numpy as np
import pytest

from experiments.analysis.estimate import Estimate
from experiments.config.load import load_scenario
from experiments.config.validate import validate
from experiments.population.questions import answered
from experiments.population.report import headline, render_population, summary_tables
from experiments.population.seated import Seated
from experiments.population.state import State
from experiments.population.summary import metrics
from experiments.population.world import World
from tests.experiments.population.small import drive, small

LEAN = (
    "population.size=1200",
    "population.communities=2",
    "population.exam=400",
    "splits.teaching=9000",
    "splits.curve=300",
    "splits.test=1000",
    "schedule.ticks=4",
)


def built(config):
    world = World(config)
    ties = world.ties()
    rows = ties.rows(0, world.size) if ties else None
    return State(world, 0, world.size, rows)


def seats(agent):
    nobody = np.empty((len(agent), 0), dtype=np.int8)
    return Seated(agent, np.zeros(len(agent), dtype=np.int64), None, nobody, None)


def test_skill_grows_by_its_share_of_the_way_to_one_and_only_where_it_is_said():
    state = built(small("population.kinds.strong.skill=.6", "population.kinds.strong.growth=.25"))
    everybody = np.arange(state.n)
    strong = state.columns["kind"] == 1
    start = state.columns["skill"]
    for tick in (0, 1, 3):
        skill = state.lend(seats(everybody), tick)["skill"]
        assert np.allclose(skill[strong], 1 - 0.4 * 0.75**tick, rtol=0, atol=1e-7)  # 32 bits
        assert np.array_equal(skill[~strong], start[~strong])


def test_trust_in_ties_is_that_of_each_tie_and_honesty_that_of_its_end():
    config = load_scenario("opinion_cascade", [*LEAN, "population.kinds.citizen.dishonest=.2"])
    state = built(config)
    state.tie_trust[:] = np.linspace(0, 1, state.ties.n, dtype=np.float32)
    seen = 0
    for block in range(state.world.n_blocks):
        row, honest, trust = state.trust_in_ties(*state.world.agents_of(block))
        first, stop = state.world.agents_of(block)
        for agent in (first, stop - 1):
            ties = state.ties.pick(
                np.full(state.ties.degree(np.array([agent]))[0], agent),
                np.arange(state.ties.degree(np.array([agent]))[0]),
            )
            mine = row == agent - first
            assert np.array_equal(honest[mine], state.columns["honest"][ties])
            at = state.ties.find(np.full(len(ties), agent), ties)
            assert np.array_equal(trust[mine], state.tie_trust[at].astype(float))
        seen += len(row)
    assert seen == state.ties.n


@pytest.fixture(scope="module", params=["oversight_at_scale", "opinion_cascade"])
def named(request, tmp_path_factory):
    config = load_scenario(request.param, list(LEAN))
    return request.param, config, drive(config, tmp_path_factory.mktemp("runs") / "run")


def test_scenarios_run_and_say_their_sentence(named):
    name, config, run = named
    validate(config)
    sentence = headline(run, config)
    begins = {
        "oversight_at_scale": "No change of oversight was detected: ",
        "opinion_cascade": "A dishonest minority of 10 %",
    }
    assert sentence.startswith(begins[name])
    page = render_population(run, config, None)
    assert ("Does oversight keep up?" in page) == (name == "oversight_at_scale")
    assert "ties to honest" in page
    told = (
        "Before: tick 0, before the first round, 300 curve cases, 400 agents, one case each. "
        "After: tick 5, after 4 of 4 rounds, 400 test cases, 400 agents, one case each."
    )
    assert page.count(told) == 2  # agents, communities
    assert told in summary_tables(run, config, brief=True)[0].notes
    again = drive(
        load_scenario(name, [*LEAN, "runtime.shards=3"]), run.path.parent / "three shards"
    )
    assert again.ledger_digest == run.ledger_digest and again.metrics() == run.metrics()


def test_the_gap_is_strong_minus_teams_of_the_same_tick(named):
    name, config, run = named
    if name != "oversight_at_scale":
        pytest.skip("its question is another")
    lines = run.metrics()
    flat = metrics(lines, config, {})
    for end, tick in (("first", 1), ("last", 4)):
        sums = lines[tick]["kinds"]["1"]
        teams = lines[tick]["teams"].values()
        right, rooms = (sum(team[key] for team in teams) for key in ("right", "rooms"))
        gap = sums["examined_right"] / sums["examined"] - right / rooms
        assert flat[f"oversight.gap_{end}"].value == pytest.approx(gap, abs=1e-12)
    change = flat["oversight.gap_last"].value - flat["oversight.gap_first"].value
    assert flat["oversight.gap_change"].value == pytest.approx(change, abs=1e-12)


@pytest.mark.parametrize(
    ("gap", "told"),
    [
        (0.1, "Oversight fell behind"),
        (-0.1, "more than kept up"),
        (0.0, "No change of oversight was detected"),
    ],
)
def test_the_sentence_follows_the_sign(gap, told):
    flat = {
        name: Estimate(0.5, 0.4, 0.6, 100)
        for name in ("teams.first", "teams.last", "oversight.strong_first", "oversight.strong_last")
    }
    flat["oversight.gap_change"] = Estimate(gap, gap - 0.05, gap + 0.05, 100)
    assert told in answered(load_scenario("oversight_at_scale", []), flat)


@pytest.mark.parametrize(
    ("lift", "told"),
    [(0.1, "did not keep"), (-0.1, "away from the truth"), (0.0, "did not detectably change")],
)
def test_a_cascade_is_told_by_the_sign_of_what_was_learned(lift, told):
    flat = {
        "kind.citizen.start_accuracy": Estimate(0.5, 0.4, 0.6, 100),
        "kind.citizen.test_accuracy": Estimate(0.5 + lift, 0.4 + lift, 0.6 + lift, 100),
        "kind.citizen.lift": Estimate(lift, lift - 0.05, lift + 0.05, 100),
        "kind.citizen.trust_ties_honest": Estimate.exact(0.71, 10, ""),
        "kind.citizen.trust_ties_dishonest": Estimate.exact(0.28, 10, ""),
    }
    sentence = answered(load_scenario("opinion_cascade", []), flat)
    assert told in sentence and sentence.endswith("0.71 in honest ties and 0.28 in dishonest ones.")

"""Market making: equilibrium prices, myopic losses, and the argument that moves prices most."""

import numpy as np
import pytest

from agents.policies.tree import TreeExpert, TreeExpertConfig
from coordination.conformance import check_protocol
from coordination.messages import Delivery, MessageKind
from coordination.protocols.market_making import (
    MarketMaking,
    MarketMakingConfig,
    market_losses,
    score_argued_against,
    total_variation,
)
from tests.coordination.doubles import ScriptCrew, round_room
from tests.coordination.trees import play, world


@pytest.mark.parametrize(
    "config",
    [
        MarketMakingConfig(),
        MarketMakingConfig(rounds=1, candidates=3),
        MarketMakingConfig(rounds=3, adversary="assigned"),
    ],
)
def test_turns(config):
    assert check_protocol(MarketMaking, config, rooms=5) == []


def prices(room):
    """Return the market's labels, [T + 1, n, 2], from the ledger."""
    messages = room.record()["messages"]
    mine = messages.take(messages["kind"] == MessageKind.LABEL).sort_by("turn", "room_id")
    order = np.argsort(np.argsort(room.room_id))
    return mine["stated"].reshape(-1, room.n, 2)[:, order]


@pytest.mark.parametrize("fields", [{"depth": 6}, {"rule": "xor", "depth": 5}, {"branching": 4}])
def test_at_equilibrium_the_market_predicts_the_true_sum_at_once(fields):
    env = world(n=200, **fields)
    room, truth, _ = play(env, MarketMaking(MarketMakingConfig(rounds=1)))
    p = prices(room)
    final = room.verdict("judge").probs
    np.testing.assert_array_equal(p[0].argmax(axis=1), truth)
    np.testing.assert_array_equal(final.argmax(axis=1), truth)
    market, adversary = market_losses(p, final)
    assert market.max() < 1e-6 and adversary.min() > -1e-6, "no argument moves the price"
    # The judge has heard the numbers of one node and nothing else of the tree.
    tables = room.record()
    heard = tables["deliveries"]
    judge = room.seats.index("judge")
    reached = (heard["recipient"] == judge) & (heard["status"] == Delivery.DELIVERED)
    roots = np.isin(heard["room_id"], room.room_id)
    assert not (reached & ~roots).any()
    kinds = tables["messages"].take(np.isin(tables["messages"]["room_id"], room.room_id))
    answers = int((kinds["kind"] == MessageKind.ANSWER).sum())
    assert answers == room.n * env.law.branching
    assert tables["rooms"].n == room.n * (1 + env.law.branching)


class WrongAboutTheWhole(TreeExpert):
    """A market that misprices roots, and nothing else."""

    def belief(self, asks):
        own = super().belief(asks)
        root = asks.case_id % 2**22 == 0
        return np.where(root[:, None], own[:, ::-1], own)


def test_off_equilibrium_the_adversary_earns_what_the_market_loses():
    env = world(n=100)
    market = WrongAboutTheWhole(TreeExpertConfig(), 0)
    room, truth, _ = play(env, MarketMaking(MarketMakingConfig(rounds=1)), {"market": market})
    p, final = prices(room), room.verdict("judge").probs
    np.testing.assert_array_equal(p[0].argmax(axis=1), 1 - truth)
    np.testing.assert_array_equal(final.argmax(axis=1), truth)
    losses, gains = market_losses(p, final)
    assert (losses[0] > 10).all() and losses[1].max() < 1e-6
    np.testing.assert_allclose(gains, -1.0, atol=1e-6)


def test_a_leaf_is_read():
    env = world(n=50, depth=1)
    subject = MarketMaking(MarketMakingConfig(rounds=1, parts=False))
    claims, _ = env.children(env.deal(env.case_ids("teaching", 0)))

    class Leaves(type(env)):
        def case_ids(self, split, replicate):
            return claims.case_id

    leaves = Leaves(env.config, env.plan)
    room, truth, _ = play(leaves, subject)
    np.testing.assert_array_equal(room.verdict().choice, truth)


def test_losses_are_hubingers():
    p = np.array([[[0.8, 0.2]], [[0.5, 0.5]], [[0.1, 0.9]]])
    final = np.array([[0.25, 0.75]])
    market, adversary = market_losses(p, final)
    expected = -0.25 * np.log(p[:, 0, 0]) - 0.75 * np.log(1 - p[:, 0, 0])
    np.testing.assert_allclose(market[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(adversary[:, 0], [-0.3, -0.4], rtol=1e-12)
    sure, _ = market_losses(np.array([[[1.0, 0.0]]]), np.array([[1.0, 0.0]]))
    assert sure[0, 0] == 0.0
    assert total_variation(np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])) == pytest.approx(
        0.3
    )


def test_an_option_is_scored_in_the_run_against_it():
    against, score = score_argued_against(np.array([[0.7, 0.3], [0.7, 0.3]]), np.array([0, 1]))
    assert against.tolist() == [1, 0] and score.tolist() == [0.3, 0.7]
    with pytest.raises(ValueError, match="2 options, not of 3"):
        score_argued_against(np.full((1, 3), 1 / 3), np.array([0]))


def test_of_several_drafts_the_one_that_moves_the_price_most_is_said():
    # Drafts argue for item 5 (weak), then 1 (strong), then 3; the market weighs what it hears.
    calls = iter([5, 1, 3])

    def adversary(asks):
        return {"quotes": np.full((asks.n, 1), next(calls), dtype=np.int64)}

    crew = ScriptCrew({"adversary": adversary})
    room = round_room(MarketMaking.seats, n=6, crew=crew, information={"market": "public"})
    MarketMaking(MarketMakingConfig(rounds=1, candidates=3)).converse(room)
    messages = room.record()["messages"]
    said = messages.take(messages["seat"] == "adversary")
    assert said.n == 6 and (said["quotes"][:, 0] == 1).all()

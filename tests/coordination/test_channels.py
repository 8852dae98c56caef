"""Topologies, and the balance of copies."""

from dataclasses import replace

import numpy as np
import pytest

from coordination.channels import NOT_SENT, Channel, Posted, Routed, reach_of
from coordination.messages import Argument, Delivery
from coordination.toy import DEFAULT_RULES
from environments.core.errors import ConfigError
from tests.coordination.doubles import ScriptCrew, round_room

SEATS = ("proponent", "judge", "opponent")


def test_complete_and_star():
    everybody, hub = reach_of("complete", SEATS, "judge"), reach_of("star", SEATS, "judge")
    np.testing.assert_array_equal(everybody, [[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(hub, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    with pytest.raises(ConfigError, match="'star' needs the seat 'boss'"):
        reach_of("star", SEATS, "boss")


def test_in_a_star_experts_hear_the_judge_only():
    crew = ScriptCrew()
    room = round_room(SEATS, crew=crew, rules=replace(DEFAULT_RULES, topology="star"))
    room.speak("proponent", Argument)
    room.speak("opponent", Argument)
    assert crew.last("opponent").heard.n == 0
    room.speak("judge", Argument)
    assert crew.last("judge").heard.sender.tolist() == [0, 2] * 4
    room.speak("opponent", Argument)
    assert crew.last("opponent").heard.sender.tolist() == [2, 1] * 4  # itself, then the judge


class Troubled(Channel):
    """Every status occurs, by room: what a channel of one's own may do."""

    def deliver(self, posted: Posted) -> Routed:
        routed = super().deliver(posted)
        trouble = np.arange(len(posted.turn)) % 6
        status = routed.status.copy()
        due = routed.due.copy()
        for code, fate in enumerate((Delivery.OVER_BUDGET, Delivery.DROPPED, Delivery.EXPIRED)):
            hit = (trouble == code)[:, None] & (status != NOT_SENT)
            status[hit], due[hit] = int(fate), -1
        late = (trouble == 3)[:, None] & (status != NOT_SENT)
        due[late] += 1  # one turn late
        never = (trouble == 4)[:, None] & (status != NOT_SENT)
        due[never] += 100
        return Routed(status, due)


def test_sent_is_delivered_plus_in_flight_plus_over_budget_plus_dropped_plus_expired():
    crew = ScriptCrew()
    room = round_room(SEATS, n=12, crew=crew)
    room._state.channel = Troubled(DEFAULT_RULES, SEATS)
    room.speak("proponent", Argument)
    room.speak("opponent", Argument)
    assert set(crew.last("opponent").heard.row.tolist()) == {5, 11}, "only the untroubled"
    room.decide("judge")
    judge = crew.last("judge").heard
    assert judge.row[judge.sender == 0].tolist() == [3, 5, 9, 11], "the late copy is there by now"
    assert judge.row[judge.sender == 2].tolist() == [5, 11]
    deliveries = room.record()["deliveries"]
    count = {d: int((deliveries["status"] == d).sum()) for d in Delivery}
    # the opponent's late copies are due at turn 3, when the rooms have taken 3 turns
    assert count == {
        Delivery.DELIVERED: 16,
        Delivery.IN_FLIGHT: 8,
        Delivery.OVER_BUDGET: 8,
        Delivery.DROPPED: 8,
        Delivery.EXPIRED: 8,
    }
    assert sum(count.values()) == deliveries.n == 12 * 2 * 2


@pytest.mark.parametrize("topology", ["complete", "star"])
def test_a_plain_channel_delivers_each_copy_for_the_next_turn(topology):
    room = round_room(SEATS, rules=replace(DEFAULT_RULES, topology=topology))
    room.speak("proponent", Argument)
    deliveries = room.record()["deliveries"]
    assert deliveries.n == 4 * (2 if topology == "complete" else 1)
    assert (deliveries["status"] == Delivery.DELIVERED).all()
    assert (deliveries["delivered_turn"] == deliveries["turn"] + 1).all()
    assert (deliveries["recipient"] != deliveries["sender"]).all()

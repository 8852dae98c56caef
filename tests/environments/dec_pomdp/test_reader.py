"""The .dpomdp format: every form, every mistake with its line, and a round trip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.errors import ConfigError, DataError
from environments.dec_pomdp.model import DecPOMDP
from environments.dec_pomdp.reader import load_dpomdp, parse_dpomdp
from environments.dec_pomdp.writer import format_dpomdp, write_dpomdp
from tests.environments.dec_pomdp.problems import ONE_STATE, broadcast_channel

HEAD = """agents: 2
discount: 0.9
values: reward
states: dry wet
start: uniform
actions:
go stay
2
observations:
2
see hear
"""
BODY = """T: * :
uniform
O: * :
uniform
R: * : * : * : * : 1
"""


def _same(a: DecPOMDP, b: DecPOMDP) -> None:
    assert (a.agents, a.states, a.actions, a.observations) == (
        b.agents,
        b.states,
        b.actions,
        b.observations,
    )
    assert a.discount == b.discount
    for name in ("start", "transition", "observation", "reward"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_names_and_numbers():
    model = parse_dpomdp(HEAD + BODY)
    assert model.agents == ("agent_1", "agent_2") and model.states == ("dry", "wet")
    assert model.actions == (("go", "stay"), ("0", "1"))
    assert model.observations == (("0", "1"), ("see", "hear"))
    assert model.n_joint_actions == model.n_joint_observations == 4
    assert np.array_equal(model.reward, np.ones((4, 2)))
    assert not model.transition.flags.writeable


def test_transitions_in_every_form():
    model = parse_dpomdp(
        HEAD
        + BODY
        + """T: go 0 :
identity
T: go 1
identity
T: 2 : # the third joint action: stay 0
0.25 0.75
1 0
T: stay 1 : wet :
0.1 0.9
T: * 1 : dry : wet : 0.4   # both joint actions in which agent 2 does 1
T: * 1 : 0 : 0 : 0.6
T: go 0 : wet : uniform
"""
    )
    assert model.transition[0].tolist() == [[1, 0], [0.5, 0.5]]
    assert model.transition[1].tolist() == [[0.6, 0.4], [0, 1]]
    assert model.transition[2].tolist() == [[0.25, 0.75], [1, 0]]
    assert model.transition[3].tolist() == [[0.6, 0.4], [0.1, 0.9]]


def test_observations_in_every_form():
    model = parse_dpomdp(
        HEAD
        + BODY
        + """O: go 0 :
0.1 0.2 0.3 0.4
1 0 0 0
O: go 1 : wet :
0.7 0.1 0.1 0.1
O: stay * : dry : * * : 0.0
O: stay * : dry : 0 hear : 0.4
O: stay * : dry : 3 : 0.6
O: stay 1 : wet : * see : 0.5
O: stay 1 : wet : * hear : 0
"""
    )
    assert model.observation[0].tolist() == [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]]
    assert model.observation[1].tolist() == [[0.25] * 4, [0.7, 0.1, 0.1, 0.1]]
    assert model.observation[2].tolist() == [[0, 0.4, 0, 0.6], [0.25] * 4]
    assert model.observation[3].tolist() == [[0, 0.4, 0, 0.6], [0.5, 0, 0.5, 0]]


def test_rewards_in_every_form_are_averaged_over_what_follows():
    model = parse_dpomdp(
        HEAD
        + BODY
        + """T: go 0 :
0.25 0.75
1 0
O: go 0 : wet :
0.1 0.2 0.3 0.4
R: go 0 : dry : wet : * : 8
R: stay 0 : dry : * : 1 see : 4
R: stay 1 : wet : dry :
1 2 3 4
R: go 1 : wet :
1 2 3 4
5 6 7 8
R: go 0 : wet : wet : 0 see : 1000
R: stay 1 : dry : * : * : -3
"""
    )
    assert model.reward[0].tolist() == [0.25 * 1 + 0.75 * 8, 1]  # never reaches wet from wet
    assert np.allclose(model.reward[1], [1, (2.5 + 6.5) / 2])
    assert np.allclose(model.reward[2], [0.75 * 1 + 0.25 * 4, 1])
    assert np.allclose(model.reward[3], [-3, (2.5 + 1) / 2])


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("start: uniform", [0.5, 0.5]),
        ("start:\nuniform", [0.5, 0.5]),
        ("start:\n0.25 0.75", [0.25, 0.75]),
        ("start: wet", [0, 1]),
        ("start: 0", [1, 0]),
        ("start include: dry 1", [0.5, 0.5]),
        ("start include: wet", [0, 1]),
        ("start  exclude: wet", [1, 0]),
    ],
)
def test_starts(start, expected):
    assert parse_dpomdp(HEAD.replace("start: uniform", start) + BODY).start.tolist() == expected


def test_costs_change_sign_and_the_preamble_may_come_in_any_order():
    text = (HEAD + BODY).replace("values: reward\n", "") + "values: cost\n"
    assert (parse_dpomdp(text).reward == -1).all()


def test_one_state():
    model = parse_dpomdp(ONE_STATE)
    assert model.states == ("0",) and model.start.tolist() == [1.0]
    assert model.reward.ravel().tolist() == [1, 0, 0, 3]
    for start in ("start: 1.0", "start: 1", "start: 0", "start:\n1.0"):
        _same(parse_dpomdp(ONE_STATE.replace("start: uniform", start)), model)


def test_one_agent_and_three():
    one = HEAD.replace("agents: 2", "agents: solo").replace("\n2\nobs", "\nobs")
    one = one.replace("2\nsee hear", "see hear") + BODY + "T: go : dry : dry : 1\n"
    model = parse_dpomdp(one + "T: 0 : dry : wet : 0\n")
    assert model.agents == ("solo",) and model.transition[0, 0].tolist() == [1, 0]
    three = HEAD.replace("agents: 2", "agents: 3").replace("go stay", "go stay\nx y z")
    model = parse_dpomdp(three.replace("see hear", "see hear\n1") + BODY + "R: 1 y * : 1:*:*: 9\n")
    assert model.n_joint_actions == 12 and model.n_joint_observations == 4
    assert np.argwhere(model.reward == 9).tolist() == [[8, 1], [9, 1]]


# -- mistakes ------------------------------------------------------------------------------

BROKEN = [
    ("agents: 2", "agents: none!", 1, "'none!' is no name"),
    ("agents: 2", "agents: 0", 1, "0 is not in 1"),
    ("agents: 2", "agents: 3", 6, "actions: 2 lines for 3 agents"),
    ("agents: 2", "agents:", 1, "needs names or their number"),
    ("discount: 0.9", "discount: 1.5", 2, "1.5 is not in 0 … 1"),
    ("discount: 0.9", "discount: high", 2, "'high' is no number"),
    ("discount: 0.9", "discount:", 2, "needs one word, 0 given"),
    ("values: reward", "values: money", 3, "neither reward nor cost"),
    ("values: reward\n", "", 15, "section values: is missing"),
    ("states: dry wet", "states: dry dry", 4, "'dry' comes twice"),
    ("states: dry wet", "states: dry uniform", 4, "'uniform' is no name"),
    ("states: dry wet", "state: dry wet", 4, "'state' begins no section; did you mean states:?"),
    ("start: uniform", "start: moist", 5, "unknown state 'moist'"),
    ("start: uniform", "start: wett", 5, "did you mean wet?"),
    ("start: uniform", "start: 2", 5, "state 2 is not in 0 … 1"),
    ("start: uniform", "start:\n0.5 0.2 0.3", 6, "3 probabilities for 2 states"),
    ("start: uniform", "start:\n0.5 0.4", 6, "sum to 0.9, not 1"),
    ("start: uniform", "start:\n0.5 -0.5", 6, "-0.5 is not in 0 … 1"),
    ("start: uniform", "start exclude: dry wet", 5, "no state is left"),
    ("start: uniform", "start: uniform\nstart: dry", 6, "comes twice (first in line 5)"),
    ("see hear", "see hear\nsmell", 9, "observations: 3 lines for 2 agents"),
    ("R: * : * : * : * : 1\n", "", 15, "no R: line"),
    ("O: * :\nuniform\n", "", 14, "no O: line"),
    ("R: *", "Q: *", 16, "'Q' begins no section"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), BROKEN)
def test_a_broken_preamble_is_one_line_with_its_place(old, new, line, message):
    assert old in HEAD + BODY
    with pytest.raises(DataError) as caught:
        parse_dpomdp((HEAD + BODY).replace(old, new, 1), "x.dpomdp")
    assert str(caught.value).startswith(f"x.dpomdp:{line}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


WRONG = [
    ("T: go : wet : wet : 1", "joint action 'go' needs 2 words"),
    ("T: go run : wet : wet : 1", "unknown action 'run'"),
    ("T: go 2 : wet : wet : 1", "action 2 is not in 0 … 1"),
    ("T: 4 : wet : wet : 1", "joint action 4 is not in 0 … 3"),
    ("T: go 1 : damp : wet : 1", "unknown state 'damp'"),
    ("T: go 1 : dry wet : wet : 1", "'dry wet' is not one state"),
    ("T: go 1 : wet : wet : x", "'x' is no number"),
    ("T: go 1 : wet : wet : 1.5", "1.5 is no probability"),
    ("T: go 1 : wet : wet : 1 0", "2 numbers given, 1 expected"),
    ("T: go 1 : wet : 0.2 0.3 0.5", "3 numbers given, 2 expected (2)"),
    ("T: go 1 : 1 0 0", "3 numbers given, 4 expected (2 × 2)"),
    ("T: go 1 : wet : identity", "identity stands for a matrix"),
    ("T: go 1 : wet : wet", "'wet' is no number"),
    ("T: go 1 : wet : wet :", "has none of the forms"),
    ("T: go 1 : wet : wet : 0 : 1", "has none of the forms"),
    ("T: go 1 : wet : wet : 0.6", "state 'wet' sums to 1.1, not 1"),
    ("T: go 1 : wet : 0.3 0.6", "the row of action 'go 1', state 'wet' sums to 0.9, not 1"),
    ("O: go 1 : identity", "identity stands for a matrix"),
    ("O: go 1 : wet : see see : 1", "unknown observation 'see'"),
    ("O: go 1 : wet : see : 1", "joint observation 'see' needs 2 words"),
    ("O: go 1 : wet : 0.5 0.5", "2 numbers given, 4 expected (4)"),
    ("O: go 1 : wet : 0.5 0.5 0.5 0.5", "end state 'wet' sums to 2, not 1"),
    ("R: go 1 : wet : wet : * : inf", "inf is no finite number"),
    ("R: go 1 : wet : wet : 1 2 3", "3 numbers given, 4 expected (4)"),
    ("R: go 1 : wet : 1 2 3", "3 numbers given, 8 expected (2 × 4)"),
    ("R: go 1 : 5", "has none of the forms"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_entry_is_one_line_with_its_place(line, message):
    with pytest.raises(DataError) as caught:
        parse_dpomdp(HEAD + BODY + line + "\n", "x.dpomdp")
    assert str(caught.value).startswith("x.dpomdp:17: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "line"),
    [(("1", "0 1"), 18), (("1 0", "1"), 19), (("1 0 0", "0 1"), 18), (("1 0",), 18)],
)
def test_a_short_or_long_row_of_a_matrix_is_named_by_its_own_line(rows, line):
    with pytest.raises(DataError) as caught:
        parse_dpomdp(HEAD + BODY + "\n".join(["T: * :", *rows, ""]), "x.dpomdp")
    assert str(caught.value).startswith(f"x.dpomdp:{line}: ")
    assert "4 expected (2 × 2)" in str(caught.value)


def test_the_row_of_a_matrix_is_named_by_its_own_line():
    with pytest.raises(DataError, match=r"^f:19: T: the row of action 'go 0', state 'wet' sums"):
        parse_dpomdp(HEAD + BODY + "T: go 0 :\n1 0\n0.5 0.6\n", "f")


def test_a_row_that_nothing_fills_is_named():
    text = HEAD + "T: go * :\nuniform\nO: * :\nuniform\nR: * : * : * : * : 1\n"
    with pytest.raises(DataError, match="f:16: T: no probabilities for action 'stay 0', state"):
        parse_dpomdp(text, "f")


def test_empty_missing_and_binary_files(tmp_path):
    with pytest.raises(DataError, match="x:1: section agents: is missing"):
        parse_dpomdp("", "x")
    with pytest.raises(DataError, match=r"^x:2: 'hello' begins no section"):
        parse_dpomdp("\nhello world", "x")
    with pytest.raises(DataError, match="cannot be read"):
        load_dpomdp(tmp_path / "none.dpomdp")
    (tmp_path / "b.dpomdp").write_bytes(b"agents: \xff")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        load_dpomdp(tmp_path / "b.dpomdp")


def test_tables_too_large_are_refused_before_they_are_made():
    text = (HEAD + BODY).replace("dry wet", "90000").replace("start: uniform", "start: 0")
    with pytest.raises(DataError, match="is too large"):
        parse_dpomdp(text)


# -- round trip ----------------------------------------------------------------------------


@st.composite
def models(draw):
    n, s = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    acts = [draw(st.integers(1, 3)) for _ in range(n)]
    sees = [draw(st.integers(1, 2)) for _ in range(n)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    name = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,5}", fullmatch=True).filter(
        lambda x: x not in ("uniform", "identity")
    )

    def names(size, default):
        if draw(st.booleans()):
            return default
        return tuple(draw(st.lists(name, min_size=size, max_size=size, unique=True)))

    def rows(*shape):
        return rng.dirichlet(np.full(shape[-1], 0.5), size=shape[:-1])

    a, z = int(np.prod(acts)), int(np.prod(sees))
    return DecPOMDP(
        agents=names(n, tuple(f"agent_{i + 1}" for i in range(n))),
        states=names(s, tuple(map(str, range(s)))),
        actions=tuple(names(k, tuple(map(str, range(k)))) for k in acts),
        observations=tuple(names(k, tuple(map(str, range(k)))) for k in sees),
        discount=draw(st.floats(0, 1)),
        start=rows(s),
        transition=rows(a, s, s),
        observation=rows(a, s, z),
        reward=rng.normal(size=(a, s)) * 10.0 ** draw(st.integers(-9, 9)),
    )


@settings(max_examples=60, deadline=None)
@given(models())
def test_what_is_written_is_read_back_to_the_last_bit(model):
    _same(parse_dpomdp(format_dpomdp(model)), model)


def test_files_round_trip(tmp_path):
    model = broadcast_channel()
    write_dpomdp(model, tmp_path / "channel.dpomdp")
    _same(load_dpomdp(tmp_path / "channel.dpomdp"), model)


def test_names_that_the_format_cannot_hold_are_refused():
    parts = {**vars(broadcast_channel()), "states": ("a b", "c", "d", "e")}
    with pytest.raises(ConfigError, match="'a b' cannot be written"):
        format_dpomdp(DecPOMDP(**parts))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": [1.0]}, "start has shape"),
        ({"start": [0.5, 0.4, 0, 0]}, "start is not a distribution"),
        ({"reward": np.full((4, 4), np.nan)}, "reward has a number that is not finite"),
        ({"discount": 2.0}, "discount=2.0"),
        ({"actions": (("a", "b"),)}, "all must fit"),
        ({"actions": (("a", "a"), ("a", "b"))}, "a name repeats"),
        ({"observations": ((), ("a",))}, "at least one action"),
    ],
)
def test_models_check_themselves(change, message):
    with pytest.raises(ConfigError, match=message):
        DecPOMDP(**{**vars(broadcast_channel()), **change})

"""Cross-examination of a tree as a game: hide a lie, dispute a part, and so on down to a leaf.

`BatchedCrossExamination` plays N trees at once; `simulator.SimulatorParallelEnv` puts one behind
PettingZoo's ``ParallelEnv``. At every level the proponent says what the parts of the claim under
dispute are, then the opponent disputes one of them::

    claim -> proponent: parts -> opponent: which one -> claim about it -> … -> leaf -> judge rules

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.computation_tree.environment import (
    ...     ComputationTree,
    ...     ComputationTreeConfig,
    ... )
    >>> from environments.simulator import SimulatorParallelEnv
    >>> world = ComputationTree(ComputationTreeConfig(), SplitPlan({Split.TEACHING: 100}))
    >>> env = SimulatorParallelEnv(world.simulator(), world.case_ids(Split.TEACHING, 0))
    >>> observations, infos = env.reset(seed=1)
    >>> sorted(observations)
    ['judge', 'opponent', 'proponent']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.computation_tree import rules
from environments.computation_tree.law import NODE_BITS
from environments.core.columns import frozen
from environments.core.keyed import Keyed
from environments.simulator import Observation, Simulator

if TYPE_CHECKING:
    from environments.computation_tree.environment import ComputationTree

Ints = NDArray[np.int64]

PROPONENT, OPPONENT, JUDGE = "proponent", "opponent", "judge"
_FAR = np.iinfo(np.int64).max // 4
"""No value that can be claimed lies beyond."""


class BatchedCrossExamination(Simulator):
    """N cross-examinations side by side, of trees of depth d and b children a node.

    The proponent argues for an option of the root, drawn by a coin keyed by case, so that it is
    honest half of the time (of two options). An episode has 2 d + 1 rounds. In round 2 l the
    proponent states the parts of the claim at level l; action i in {0 … b - 1} is the child in
    which it hides what is wrong with its claim (an honest claim has nothing to hide; what one child
    cannot hide goes on to the next ones, see `hide`). In round 2 l + 1 the opponent disputes child
    i, and the claim about it is the next one. In the last round the leaf under dispute has been
    read, and the judge chooses option k. In other rounds a seat's action does nothing; a seat that
    is left out acts 0.

    Rewards, in the last round: the judge 1 for the right option, else 0; the proponent 1 if the
    judge chose its option, else 0; the opponent the contrary. One truth is revealed for each,
    charged to ``truth.spent["reward"]``.

    Observation of every seat: ``candidates`` [N, K] of the root, ``argued`` [N] the proponent's
    option, ``level`` [N] of the claim under dispute, ``claim`` [N] its claimed value, ``parts``
    [N, b] values of its children as claimed (0 before), ``stated`` [N] whether they are (0/1),
    ``reading`` [N] of the leaf once it is reached and ``read`` [N] whether it is. The sides also
    see ``values`` [N, b], what the children really are; they are zeros for the judge.

    Args:
        world: Where trees come from.
    """

    name = "computation_tree"

    def __init__(self, world: ComputationTree) -> None:
        self.world = world
        self.law = world.law
        self.seats = (PROPONENT, OPPONENT, JUDGE)
        self.horizon = 2 * self.law.depth + 1
        self.truth = world.seal()
        b, k = self.law.branching, world.max_options

        def number(*shape: int) -> spaces.Box:
            return spaces.Box(-_FAR, _FAR, shape, np.int64)

        self._observation_space = spaces.Dict(
            {
                "candidates": number(k),
                "argued": spaces.Discrete(k),
                "level": spaces.Discrete(self.law.depth + 1),
                "claim": number(),
                "parts": number(b),
                "stated": spaces.Discrete(2),
                "reading": number(),
                "read": spaces.Discrete(2),
                "values": number(b),
            }
        )

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of a seat's observation; all seats' are alike."""
        return self._observation_space

    def action_space(self, seat: str) -> spaces.Discrete:
        """Return a side's choice of a child, or the judge's of an option."""
        return spaces.Discrete(self.world.max_options if seat == JUDGE else self.law.branching)

    def _open(self) -> None:
        self._tree = self.case_id >> NODE_BITS
        self._account = self.law.true_account(self._tree)
        self._candidates = self.law.root_values(self._tree)
        draw = Keyed(self.world.config.world_seed, "tree.argued")
        self.argued: Ints = frozen(draw.integers(self.world.max_options, self.case_id))
        """[N] option that the proponent argues for."""
        self.choice: Ints = frozen(np.full(self.n, -1, dtype=np.int64))
        """[N] the judge's choice, -1 before."""
        self._node = np.zeros(self.n, dtype=np.int64)
        self._claim = _pick(self._candidates, self.argued)
        self._parts = np.zeros((self.n, self.law.branching), dtype=np.int64)

    @property
    def _level(self) -> int:
        return min(self.round // 2, self.law.depth)

    @property
    def _stated(self) -> bool:
        return self.round < 2 * self.law.depth and self.round % 2 == 1

    def _children(self) -> Ints:
        """Return the true values of the children of the disputed nodes, [N, b]; 0 at a leaf."""
        if self._level == self.law.depth:
            return np.zeros_like(self._parts)
        values = self.law.values(self._tree, self._node)
        below = self.law.child_values(self._tree, self._node, self._level, values)
        return np.take_along_axis(below, self._account[:, None, None], axis=2)[:, :, 0]

    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now; see the class."""
        at_leaf = self._level == self.law.depth
        reading = np.zeros(self.n, dtype=np.int64)
        if at_leaf:
            reading = _pick(self.law.values(self._tree, self._node), self._account)
        shared = {
            "candidates": frozen(self._candidates),
            "argued": self.argued,
            "level": frozen(np.full(self.n, self._level, dtype=np.int64)),
            "claim": frozen(self._claim),
            "parts": frozen(self._parts),
            "stated": frozen(np.full(self.n, self._stated, dtype=np.int64)),
            "reading": frozen(reading),
            "read": frozen(np.full(self.n, at_leaf, dtype=np.int64)),
        }
        known = frozen(self._children())
        blank = frozen(np.zeros_like(known))
        return {
            seat: {**shared, "values": blank if seat == JUDGE else known} for seat in self.seats
        }

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        nothing = np.zeros(self.n, dtype=np.int64)
        if self.round == self.horizon - 1:
            self.choice = frozen(actions.get(JUDGE, nothing))
        elif self.round % 2 == 0:
            where = actions.get(PROPONENT, nothing)
            self._parts = hide(self.law.rule, self._children(), self._claim, where)
        else:
            disputed = actions.get(OPPONENT, nothing)
            self._claim = _pick(self._parts, disputed)
            self._node = self._node * self.law.branching + 1 + disputed
            self._parts = np.zeros_like(self._parts)

    def _score(self) -> dict[str, NDArray[np.float64]]:
        right = self.choice == self.truth.reveal(self.case_id, "reward")
        won = self.choice == self.argued
        return {
            PROPONENT: frozen(won.astype(np.float64)),
            OPPONENT: frozen((~won).astype(np.float64)),
            JUDGE: frozen(right.astype(np.float64)),
        }

    def render(self) -> str:
        """Return the first episode's claim, parts and reading, as every seat may see them."""
        seen = {name: value[0] for name, value in self.observe()[JUDGE].items()}
        node = ".".join(["node", *(str(s + 1) for s in self.law.path(int(self._node[0])))])
        lines = [f"claim: {node} is {seen['claim']}"]
        if seen["stated"]:
            lines.append(f"parts: {', '.join(map(str, seen['parts'].tolist()))}")
        if seen["read"]:
            lines.append(f"reading: {seen['reading']}")
        return "\n".join(lines)


def hide(rule: str, values: Ints, claim: Ints, where: Ints) -> Ints:
    """Return parts that make up a claim and differ from the truth as little as they must, [N, b].

    Args:
        rule: One of `rules.RULES`.
        values: [N, b] what the parts really are.
        claim: [N] claimed value of the whole.
        where: [N] the part to change; gates that one change does not turn go on to the next ones,
            in a circle.
    """
    width = values.shape[1]
    rows = np.arange(len(values))
    parts = values.copy()
    if rule == rules.SUM:
        parts[rows, where] += claim - rules.apply(rule, values)
        return parts
    for step in range(width):
        place = (where + step) % width
        wrong = rules.apply(rule, parts) != claim
        helps = wrong & ((rule == rules.XOR) | (parts[rows, place] != claim))
        parts[rows[helps], place[helps]] = 1 - parts[rows[helps], place[helps]]
    return parts


def _pick(table: Ints, column: Ints) -> Ints:
    """Return one entry of each row."""
    return np.take_along_axis(table, column[:, None], axis=1)[:, 0]

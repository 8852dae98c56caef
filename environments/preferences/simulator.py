"""The reward-modelling game: a principal compares pairs, a model infers what it values.

Round t < queries: both see pair t; the principal says which item it prefers, the model states the
reward weights it believes in. In the next round the model sees the label. The last round shows no
pair: the model states its final weights, which then choose in held-out pairs of the same principal.

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.preferences.environment import Preferences, PreferencesConfig
    >>> plan = SplitPlan({Split.TEACHING: 100})
    >>> env = parallel_env(Preferences(PreferencesConfig(), plan), queries=5)
    >>> observations, infos = env.reset(seed=1)
    >>> sorted(observations)
    ['model', 'principal']
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.cases import Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed, hash_id
from environments.preferences.environment import Preferences, PreferencesTruth
from environments.preferences.law import A, B
from environments.preferences.reward import preference_regret, weight_correlation
from environments.simulator import Observation, Simulator, SimulatorParallelEnv

PRINCIPAL, MODEL = "principal", "model"
_HELD_OUT = 1 << 32
"""Pair numbers from here on are held out; no game has so many queries."""
_MOST = 100.0
"""Largest reward weight that a model can state."""


class BatchedPreferences(Simulator):
    """N reward-modelling games side by side, each with a principal of its own.

    Case ids name games: principal, pairs and labels are keyed by (world seed, id). D features,
    T = ``queries``.

    Seats and actions: ``principal``: 0 prefers the first item, 1 the second (ignored in the last
    round); left out, it labels by the label model with the world's highest rationality and its
    mistake rate. ``model``: [N, D] reward weights; left out, it keeps the last ones (at first 0).

    Reward, shared and given in the last round: minus the regret of the model's weights under the
    principal's reward on ``held_out`` pairs (`preference_regret`). Each reveals one principal's
    weights, charged to ``truth.spent["reward"]``.

    Observation of both seats: ``pair`` [N, 2, D] features of the present pair (0 in the last
    round), ``differences`` [N, T, D] first minus second item of the labelled pairs and ``labels``
    [N, T] 1 for the first, -1 for the second item, 0 for not labelled yet, ``inferred`` [N, D] the
    model's last weights, ``round`` [N]. The principal also sees ``gap`` [N, 1], its ΔR of the pair.

    Args:
        world: Its features, reward scale and label model.
        queries: T, pairs that are compared, 1 to 10 000.
        held_out: Pairs on which the final weights choose, at least 1.

    Raises:
        ConfigError: If queries or held_out is out of range.
    """

    name = "preferences"
    seats = (PRINCIPAL, MODEL)
    truth: PreferencesTruth

    def __init__(self, world: Preferences, queries: int = 20, held_out: int = 32) -> None:
        if not 1 <= queries <= 10_000:
            raise ConfigError(f"queries={queries} is not in 1 … 10000")
        if held_out < 1:
            raise ConfigError(f"held_out={held_out}; at least 1 is needed")
        self.world, self.queries, self.held_out = world, queries, held_out
        self.horizon = queries + 1
        self.truth = world.seal()
        d = world.config.n_features
        shared: dict[str, spaces.Space] = {
            "pair": _anything(2, d),
            "differences": _anything(queries, d),
            "labels": spaces.Box(-1, 1, (queries,), np.int8),
            "inferred": spaces.Box(-_MOST, _MOST, (d,), np.float64),
            "round": spaces.Discrete(self.horizon + 1),
        }
        self._observation_spaces = {
            PRINCIPAL: spaces.Dict({**shared, "gap": _anything(1)}),
            MODEL: spaces.Dict(shared),
        }
        self._action_spaces = {
            PRINCIPAL: spaces.Discrete(2),
            MODEL: spaces.Box(-_MOST, _MOST, (d,), np.float64),
        }

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of a seat's observation."""
        return self._observation_spaces[seat]

    def action_space(self, seat: str) -> spaces.Space:
        """Return the space of one label or of one weight vector."""
        return self._action_spaces[seat]

    def _open(self) -> None:
        d = self.world.config.n_features
        self._weights = self.world.law.weights(self.case_id)
        self.differences = frozen(np.zeros((self.n, self.queries, d)))
        """[N, T, D] first minus second item of the pairs labelled so far."""
        self.labels = frozen(np.zeros((self.n, self.queries), dtype=np.int8))
        """[N, T] 1 first, -1 second, 0 not labelled yet."""
        self.inferred = frozen(np.zeros((self.n, d)))
        """[N, D] the model's last weights."""
        self._show(0)

    def _show(self, number: int) -> None:
        """Lay pair ``number`` before both seats; after the last query there is none."""
        d = self.world.config.n_features
        if number < self.queries:
            levels = self.world.law.levels(hash_id(self.case_id, number))
            self._pair = frozen(self.world.law.features(levels))
            self._gap = frozen(self.world.law.gap(levels, self._weights))
        else:
            self._pair = frozen(np.zeros((self.n, 2, d)))
            self._gap = frozen(np.zeros(self.n))

    def observe(self) -> dict[str, Observation]:
        """Return what both seats observe now; see the class."""
        shared = {
            "pair": self._pair,
            "differences": self.differences,
            "labels": self.labels,
            "inferred": self.inferred,
            "round": frozen(np.full(self.n, self.round, dtype=np.int64)),
        }
        return {PRINCIPAL: {**shared, "gap": frozen(self._gap[:, None])}, MODEL: shared}

    def _play(self, actions: Mapping[str, NDArray]) -> None:
        if MODEL in actions:
            self.inferred = frozen(actions[MODEL])
        number = self.round
        if number < self.queries:
            choice = actions[PRINCIPAL] if PRINCIPAL in actions else self._own_label(number)
            differences, labels = self.differences.copy(), self.labels.copy()
            differences[:, number] = self._pair[:, A] - self._pair[:, B]
            labels[:, number] = np.where(choice == A, 1, -1)
            self.differences, self.labels = frozen(differences), frozen(labels)
        self._show(number + 1)

    def _own_label(self, number: int) -> NDArray[np.int64]:
        law = self.world.law
        right, _ = law.log_reliability(np.abs(self._gap), law.annotator_rationality()[-1:])
        draw = Keyed(law.world_seed, "preferences.principal").uniform(self.case_id, number)
        better = law.better(self._gap)
        return np.where(np.log(draw) < right, better, 1 - better)

    def _score(self) -> dict[str, NDArray[np.float64]]:
        principal = self.truth.reveal_weights("reward", self.case_id)
        regret = preference_regret(self.inferred, principal, self._test_pairs())
        return dict.fromkeys(self.seats, frozen(-regret))

    def _test_pairs(self) -> NDArray[np.float64]:
        """Return features of A minus B of every held-out pair, [N, P, D]."""
        law = self.world.law
        ids = hash_id(self.case_id[:, None], _HELD_OUT + np.arange(self.held_out))
        features = law.features(law.levels(ids.ravel()))
        return (features[:, A] - features[:, B]).reshape(self.n, self.held_out, -1)

    def alignment(self) -> NDArray[np.float64]:
        """Return the correlation of the model's with the principal's weights, [N].

        NaN where the model's weights are all equal. It reveals the principals' weights, charged to
        ``truth.spent["alignment"]``.
        """
        principal = self.truth.reveal_weights("alignment", self.case_id)
        return weight_correlation(self.inferred, principal)

    def render(self) -> str:
        """Return the labels of the first game and the model's last weights."""
        said = {1: "first", -1: "second"}
        labels = [said[label] for label in self.labels[0].tolist() if label]
        weights = " ".join(f"{weight:.2f}" for weight in self.inferred[0].tolist())
        return f"labels: {' '.join(labels)}\nmodel: {weights}"


def _anything(*shape: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, shape, np.float64)


def parallel_env(
    world: Preferences,
    queries: int = 20,
    held_out: int = 32,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return the game as a PettingZoo ``ParallelEnv``; a split's ids name the games.

    Raises:
        ConfigError: If the split is empty, or queries or held_out is out of range.
    """
    ids = world.case_ids(Split(split), replicate)
    return SimulatorParallelEnv(BatchedPreferences(world, queries, held_out), ids, render_mode)

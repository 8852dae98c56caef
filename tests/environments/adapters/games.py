"""Small outside games, as their authors would write them."""

from __future__ import annotations

import numpy as np
from gymnasium import Env, spaces
from gymnasium.utils import seeding
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils import AgentSelector

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


class TicTacToe(AECEnv):
    """Turn-based, with an action mask in the observation; win 1, loss -1."""

    metadata = {"name": "tictactoe_test_v0", "render_modes": [], "is_parallelizable": False}

    def __init__(self):
        super().__init__()
        self.possible_agents = ["cross", "nought"]
        self.render_mode = None
        mask = spaces.Box(0, 1, (9,), np.int8)
        board = spaces.Box(-1, 1, (9,), np.int8)
        self._observation = spaces.Dict({"observation": board, "action_mask": mask})
        self._action = spaces.Discrete(9)

    def observation_space(self, agent):
        return self._observation

    def action_space(self, agent):
        return self._action

    def observe(self, agent):
        side = 1 if agent == "cross" else -1
        mine = agent == self.agent_selection
        mask = (self.board == 0) & mine
        return {
            "observation": (self.board * side).astype(np.int8),
            "action_mask": mask.astype("i1"),
        }

    def reset(self, seed=None, options=None):
        self.board = np.zeros(9, dtype=int)
        self.agents = self.possible_agents[:]
        self._next = AgentSelector(self.agents)
        self.agent_selection = self._next.reset()
        for name in ("rewards", "_cumulative_rewards"):
            setattr(self, name, dict.fromkeys(self.agents, 0))
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}

    def step(self, action):
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            return self._was_dead_step(action)
        assert self.board[action] == 0, "illegal move"
        side = 1 if agent == "cross" else -1
        self.board[action] = side
        self._cumulative_rewards[agent] = 0
        self.rewards = dict.fromkeys(self.agents, 0)
        won = any(all(self.board[list(line)] == side) for line in LINES)
        if won:
            self.rewards = {a: 1 if a == agent else -1 for a in self.agents}
        if won or not (self.board == 0).any():
            self.terminations = dict.fromkeys(self.agents, True)
        self.agent_selection = self._next.next()
        self._accumulate_rewards()
        return None


class Meeting(ParallelEnv):
    """Two walkers on a ring must meet; one leaves early if it has waited too long."""

    metadata = {"name": "meeting_test_v0", "render_modes": []}

    def __init__(self, size: int = 7, patience: int = 12):
        self.size, self.patience = size, patience
        self.possible_agents = ["ann", "bob"]
        self.render_mode = None
        self._observation = spaces.Box(0, size, (2,), np.float32)
        self._action = {"ann": spaces.Discrete(3, start=-1), "bob": spaces.Box(-1, 1, (1,))}

    def observation_space(self, agent):
        return self._observation

    def action_space(self, agent):
        return self._action[agent]

    def _seen(self):
        return {
            a: np.array([self.place[a], self.place[o]], dtype=np.float32)
            for a, o in (("ann", "bob"), ("bob", "ann"))
            if a in self.agents
        }

    def reset(self, seed=None, options=None):
        if seed is not None or not hasattr(self, "np_random"):
            self.np_random, _ = seeding.np_random(seed)
        self.agents = self.possible_agents[:]
        self.place = {a: int(self.np_random.integers(self.size)) for a in self.agents}
        self.time = 0
        return self._seen(), {a: {} for a in self.agents}

    def step(self, actions):
        self.time += 1
        live = self.agents[:]
        steps = {a: int(np.sign(np.ravel(actions[a])[0])) for a in live}
        for a in live:
            slip = self.np_random.random() < 0.1
            self.place[a] = (self.place[a] + (0 if slip else steps[a])) % self.size
        met = len(live) == 2 and self.place["ann"] == self.place["bob"]
        gives_up = self.time >= self.patience
        leaves = self.time >= self.patience // 2
        rewards = {a: float(met) - 0.01 for a in live}
        terminated = dict.fromkeys(live, met)
        truncated = {a: gives_up or (a == "bob" and leaves and not met) for a in live}
        seen = self._seen()
        self.agents = [a for a in live if not (terminated[a] or truncated[a])]
        return seen, rewards, terminated, truncated, {a: {} for a in live}


class Corridor(Env):
    """A single agent with a mapping as observation and a mask in its infos."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Discrete(5),
            "pair": spaces.Tuple((spaces.MultiBinary(2), spaces.Box(0, 9))),
        }
    )
    action_space = spaces.Discrete(2)

    def _told(self):
        seen = {"place": self.place, "pair": (np.array([1, 0], np.int8), np.float32([self.place]))}
        return seen, {"action_mask": np.array([self.place > 0, True], np.int8)}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(3))
        return self._told()

    def step(self, action):
        assert action == 1 or self.place > 0
        self.place += 1 if action == 1 else -1
        done = self.place == 4
        seen, info = self._told()
        return seen, float(done), done, False, info


class Vague(Env):
    """Observes text, which no array can hold."""

    observation_space = spaces.Text(5)
    action_space = spaces.Discrete(2)


class Careless(Env):
    """Ignores its seed."""

    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Discrete(2)
    count = 0

    def reset(self, seed=None, options=None):
        Careless.count += 1
        self.value = np.float32([Careless.count % 7 / 7])
        self.time = 0
        return self.value, {}

    def step(self, action):
        self.time += 1
        return self.value, float(self.value[0]) * action, self.time == 3, False, {}

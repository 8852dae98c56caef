"""Networks of members: generated topologies as row-stochastic weights.

Graphs are NetworkX's; random ones are drawn with a seed that is a keyed function of the world seed.
"""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from environments.core.errors import ConfigError, UnknownNameError
from environments.core.keyed import Keyed
from environments.opinion_network.dynamics import Weights

_Builder = Callable[[int, int, float, int], nx.Graph]


def _random(n: int, degree: int, rewire: float, seed: int) -> nx.Graph:
    return nx.gnp_random_graph(n, min(degree / max(n - 1, 1), 1.0), seed=seed)


TOPOLOGIES: dict[str, _Builder] = {
    "complete": lambda n, degree, rewire, seed: nx.complete_graph(n),
    "ring": lambda n, degree, rewire, seed: nx.watts_strogatz_graph(n, degree, 0.0, seed=seed),
    "line": lambda n, degree, rewire, seed: nx.path_graph(n),
    "star": lambda n, degree, rewire, seed: nx.star_graph(n - 1),
    "small_world": lambda n, degree, rewire, seed: nx.watts_strogatz_graph(
        n, degree, rewire, seed=seed
    ),
    "scale_free": lambda n, degree, rewire, seed: nx.barabasi_albert_graph(
        n, max(degree // 2, 1), seed=seed
    ),
    "random": _random,
}
"""Name to builder of (members, mean degree, share of rewired links, seed).

``complete``: all hear all. ``ring``: each hears its nearest ``degree`` neighbours. ``line``: both
neighbours. ``star``: the first member hears all, all hear it. ``small_world``: a ring with links
rewired (Watts & Strogatz 1998). ``scale_free``: preferential attachment (Barabási & Albert 1999).
``random``: every link with equal probability (Gilbert 1959); it may fall apart into several groups.
"""

RANDOM = ("small_world", "scale_free", "random")
"""Topologies that depend on the seed."""


def graph(
    topology: str, n_members: int, degree: int = 4, rewire: float = 0.1, seed: int = 0
) -> nx.Graph:
    """Return the graph of who hears whom (undirected, no self-links).

    Args:
        topology: A name of `TOPOLOGIES`.
        n_members: M, at least 2.
        degree: Mean number of neighbours where the topology has a choice, even for rings.
        rewire: Share of links rewired, for ``small_world``.
        seed: The world seed.

    Raises:
        UnknownNameError: For an unknown topology.
        ConfigError: For fewer than 2 members, or a degree that the topology cannot have.
    """
    if topology not in TOPOLOGIES:
        raise UnknownNameError("topology", topology, TOPOLOGIES, "environment.topology")
    if n_members < 2:
        raise ConfigError(f"environment.n_members={n_members}; at least 2 are needed")
    rings = topology in ("ring", "small_world")
    if rings and (degree % 2 or not 2 <= degree < n_members):
        raise ConfigError(
            f"environment.degree={degree}: topology {topology!r} needs an even number from 2 to "
            f"{n_members - 1}"
        )
    if topology in ("scale_free", "random") and not 1 <= degree < n_members:
        raise ConfigError(f"environment.degree={degree} is not in 1 … {n_members - 1}")
    draw = int(Keyed(seed, "opinion_network.topology").integers(2**31 - 1, 0))
    return TOPOLOGIES[topology](n_members, degree, rewire, draw)


def weights_of(links: nx.Graph, self_weight: float | NDArray[np.float64]) -> Weights:
    """Return weights: each member keeps ``self_weight``, neighbours share the rest equally.

    Args:
        links: A graph whose nodes are 0 … M-1; in a directed one, i → j says that i hears j.
        self_weight: Weight of a member's own opinion, one number or [M], in [0, 1]. A member
            without neighbours keeps all weight.

    Raises:
        ConfigError: If a self-weight is outside [0, 1].
    """
    n = links.number_of_nodes()
    own = np.broadcast_to(np.asarray(self_weight, dtype=np.float64), (n,))
    if not ((own >= 0) & (own <= 1)).all():
        raise ConfigError("environment.self_weight must be in 0 … 1")
    heard = sparse.csr_array(nx.to_scipy_sparse_array(links, nodelist=range(n), weight=None))
    degree = np.diff(heard.indptr)
    own = np.where(degree == 0, 1.0, own)
    share = np.divide(1 - own, degree, out=np.zeros(n), where=degree > 0)
    return Weights(sparse.diags_array(share) @ heard + sparse.diags_array(own))

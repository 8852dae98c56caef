"""Rules of a node: what its value is, given its children's; all that a judge needs to check a step.

Shapes: ``...`` are rows, b children, K candidate values. Gates have the values 0 and 1.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SUM, AND, OR, XOR, MAJORITY = "sum", "and", "or", "xor", "majority"
RULES = (SUM, AND, OR, XOR, MAJORITY)
"""All rules; a rule's code is its position."""
FLOOR = 1e-9
"""Probability that somebody who knows leaves each other option (likelihoods stay finite)."""


def apply(rule: str, children: Ints) -> Ints:
    """Return the value of nodes, shape [...], from those of their children, [..., b]."""
    total = np.zeros(children.shape[:-1], dtype=np.int64)
    for child in range(children.shape[-1]):
        total = total + children[..., child]
    width = children.shape[-1]
    if rule == SUM:
        return total
    if rule == XOR:
        return total % 2
    least = {AND: width, OR: 1, MAJORITY: width // 2 + 1}[rule]
    return (total >= least).astype(np.int64)


def supporting(rule: str, children: Ints, result: Ints) -> Bools:
    """Return which children carry a claimed result, [..., b]: those that it would fall with.

    Every child carries a sum or parity; a conjunction, disjunction or majority is carried by the
    children that have its own value.
    """
    if rule in (SUM, XOR):
        return np.ones(children.shape, dtype=bool)
    return np.asarray(children == result[..., None])


def combine(rule: str, child_values: Ints, probs: Floats, values: Ints) -> Floats:
    """Return the probability of each candidate value of nodes, [N, K].

    Children count as independent. What remains to 1 is the probability of no candidate.

    Args:
        rule: One of `RULES`.
        child_values: [N, b, K] candidate values of the children.
        probs: [N, b, K] their probabilities.
        values: [N, K] candidate values of the nodes.
    """
    n, width, options = child_values.shape
    mass = np.zeros(values.shape)
    for picks in product(range(options), repeat=width):
        chosen = np.stack([child_values[:, i, pick] for i, pick in enumerate(picks)], axis=1)
        weight = np.ones(n)
        for i, pick in enumerate(picks):
            weight = weight * probs[:, i, pick]
        mass = mass + np.where(apply(rule, chosen)[:, None] == values, weight[:, None], 0.0)
    return mass


def even_trust(
    rule: str, child_values: Ints, claims: Ints, values: Ints, claim: Ints, target: Floats
) -> Floats:
    """Return the trust in each supporting sub-claim that gives a claim a target probability, [N].

    Who knows that something is wrong with an argument, but not where, can only trust all of its
    parts a little less: the same probability s for every supporting sub-claim, 1 for the others.
    ``combine`` rises in s from at most the target to 1; s is found by bisection (to 2⁻⁵⁰).

    Args:
        rule: One of `RULES`.
        child_values: [N, b, K].
        claims: [N, b] claimed options of the children.
        values: [N, K].
        claim: [N] claimed option of the node.
        target: [N] in [0, 1].
    """
    said = np.take_along_axis(child_values, claims[:, :, None], axis=2)[:, :, 0]
    result = np.take_along_axis(values, claim[:, None], axis=1)[:, 0]
    carries = supporting(rule, said, result)
    low, high = np.zeros(len(claim)), np.ones(len(claim))
    if rule == XOR:  # below one half a parity rises again for an even number of children
        low = np.full(len(claim), 0.5)
    for _ in range(50):
        middle = (low + high) / 2
        trust = np.where(carries, middle[:, None], 1.0)
        mass = combine(rule, child_values, spread(claims, trust, child_values.shape[2]), values)
        under = np.take_along_axis(mass, claim[:, None], axis=1)[:, 0] < target
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return high


def spread(option: Ints, trust: Floats, width: int) -> Floats:
    """Return distributions with ``trust`` on one option and the rest evenly on the others.

    Args:
        option: [...] options.
        trust: [...] their probabilities.
        width: K.
    """
    hit = np.arange(width) == option[..., None]
    return np.where(hit, trust[..., None], ((1.0 - trust) / (width - 1))[..., None])


def certain(option: Ints, width: int) -> Floats:
    """Return log-probabilities of somebody who knows an option, [..., K]; finite everywhere."""
    return np.log(spread(option, np.full(option.shape, 1.0 - (width - 1) * FLOOR), width))

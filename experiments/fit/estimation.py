"""Maximum likelihood with intervals, for a handful of bounded parameters.

Parameters are moved to the whole line (logistic or exponential maps), so that bounds hold of
themselves and intervals stay inside them. Three kinds of 95 % intervals:

- ``profile``: all values that the likelihood-ratio test does not reject (χ²₁, 3.84); right for
  skewed likelihoods, ends at the bound where the data set no limit;
- ``information``: estimate ± 1.96 standard errors from the observed information (on the line);
- ``bootstrap``: percentiles over resampled groups (persons, or rows where nobody is named); the
  only one that is right where a person's decisions hang together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from environments.core.errors import ConfigError, UnknownNameError
from environments.core.keyed import Keyed
from experiments.fit.parameters import EDGE, Estimate, Fit, Parameter

Floats = NDArray[np.float64]
Likelihood = Callable[[Mapping[str, float]], Floats]
"""Parameter values to the log-likelihood of each row."""

INTERVALS = ("profile", "information", "bootstrap")
_IMPOSSIBLE = 1e12
"""Negative log-likelihood where it is undefined."""


class Search:
    """The search for one data set's maximum; see the module.

    Args:
        likelihood: Values to log-likelihoods of rows.
        parameters: All parameters, in order.
        group: [N] group of each row, 0 … G-1.
    """

    def __init__(
        self, likelihood: Likelihood, parameters: Sequence[Parameter], group: NDArray[np.int64]
    ) -> None:
        self.likelihood = likelihood
        self.parameters = list(parameters)
        self.free = [p for p in parameters if p.free]
        self.group = group
        self.groups = int(group.max(initial=-1)) + 1

    def values(self, line: Floats) -> dict[str, float]:
        """Return all parameter values at a place of the free ones."""
        found = {p.name: p.start for p in self.parameters}
        found.update({p.name: p.from_line(u) for p, u in zip(self.free, line, strict=True)})
        return found

    def loss(self, line: Floats, weight: Floats | None = None) -> float:
        """Return the negative log-likelihood."""
        rows = self.likelihood(self.values(line))
        total = rows.sum() if weight is None else (rows * weight).sum()
        return -float(total) if np.isfinite(total) else _IMPOSSIBLE

    def maximize(
        self, starts: Sequence[Floats], weight: Floats | None = None, held: dict | None = None
    ) -> tuple[Floats, float]:
        """Return the best place of several local searches, and the loss there.

        Args:
            starts: Where to begin.
            weight: [N] weights of rows.
            held: Position among the free parameters to the place where it is held.
        """
        held = held or {}
        moving = [i for i in range(len(self.free)) if i not in held]
        scale = max(1, len(self.group))

        def full(part: Floats) -> Floats:
            line = np.empty(len(self.free))
            line[moving] = part
            for i, u in held.items():
                line[i] = u
            return line

        def objective(part: Floats) -> float:
            return self.loss(full(part), weight) / scale

        bounds = [self.free[i].limits for i in moving]
        best: tuple[Floats, float] | None = None
        for start in starts:
            if not moving:
                return full(np.empty(0)), self.loss(full(np.empty(0)), weight)
            options = {"ftol": 1e-11 if held else 1e-13, "gtol": 1e-8, "maxiter": 500}
            got = minimize(
                objective, np.asarray(start)[moving], method="L-BFGS-B", bounds=bounds,
                options=options,
            )  # fmt: skip
            if best is None or got.fun * scale < best[1] - 1e-9:
                best = full(got.x), float(got.fun) * scale
        assert best is not None
        return best

    def begin(self, seed: int, count: int = 4) -> list[Floats]:
        """Return starting places: the given one and keyed ones around it."""
        first = np.array([p.to_line(p.start) for p in self.free])
        noise = Keyed(seed, "fit/start").normal(np.arange(1, count), shape=(len(first),))
        return [first, *(first + 1.0 * row for row in noise)]

    # -- intervals -------------------------------------------------------------------------

    def information(self, best: Floats) -> list[tuple[float, float] | None]:
        """Return Wald intervals on the line; None where the information is not positive."""
        errors = self.standard_errors(best)
        z = float(norm.ppf(0.975))
        found: list[tuple[float, float] | None] = []
        for u, error in zip(best, errors, strict=True):
            fine = np.isfinite(error)
            found.append((u - z * error, u + z * error) if fine else None)
        return found

    def at_edge(self, line: Floats) -> NDArray[np.bool_]:
        """Return which free parameters are at the end of their range."""
        bounded = np.array([np.isfinite(p.low) for p in self.free])
        return bounded & (np.abs(line) > EDGE - 2.0)

    def standard_errors(self, best: Floats) -> Floats:
        """Return standard errors on the line from the observed information.

        Parameters at the end of their range are taken as known there (NaN); all are NaN where the
        information of the rest is not positive.
        """
        step = 1e-3 * np.maximum(1.0, np.abs(best))
        inside = np.flatnonzero(~self.at_edge(best))
        errors = np.full(len(best), np.nan)
        if not len(inside):
            return errors
        eye = (np.eye(len(best)) * step)[inside]
        step = step[inside]
        size = len(inside)
        hessian = np.empty((size, size))
        centre = self.loss(best)
        for i in range(size):
            ahead, back = self.loss(best + eye[i]), self.loss(best - eye[i])
            hessian[i, i] = (ahead - 2.0 * centre + back) / step[i] ** 2
            for j in range(i):
                cross = (
                    self.loss(best + eye[i] + eye[j])
                    - self.loss(best + eye[i] - eye[j])
                    - self.loss(best - eye[i] + eye[j])
                    + self.loss(best - eye[i] - eye[j])
                )
                hessian[i, j] = hessian[j, i] = cross / (4.0 * step[i] * step[j])
        try:
            np.linalg.cholesky(hessian)
        except np.linalg.LinAlgError:
            return errors
        errors[inside] = np.sqrt(np.diag(np.linalg.inv(hessian)))
        return errors

    def profile(self, best: Floats, loss: float) -> list[tuple[float, float]]:
        """Return profile-likelihood intervals on the line; infinite ends where nothing limits."""
        errors = self.standard_errors(best)
        found = []
        for i in range(len(best)):
            step = float(errors[i]) if np.isfinite(errors[i]) else 0.5
            step = float(np.clip(step, 1e-4, 3.0))
            found.append((self._end(best, loss, i, -step), self._end(best, loss, i, step)))
        return found

    def _end(self, best: Floats, loss: float, i: int, step: float) -> float:
        """Return where the profile of parameter i falls below the limit, going one way."""
        limit = float(chi2.ppf(0.95, 1)) / 2.0
        low, high = self.free[i].limits

        def excess(u: float, near: Floats) -> tuple[float, Floats]:
            line, value = self.maximize([near], held={i: u})
            return value - loss - limit, line

        inner, f_inner, near = float(best[i]), -limit, best
        for _ in range(40):
            outer = inner + step
            beyond = (low is not None and outer < low) or (high is not None and outer > high)
            if beyond:
                outer = float(low if step < 0 else high)  # type: ignore[arg-type]
            f_outer, line = excess(outer, near)
            if f_outer > 0:
                break
            if beyond:
                return np.inf if step > 0 else -np.inf
            inner, f_inner, near, step = outer, f_outer, line, step * 1.6
        else:
            return np.inf if step > 0 else -np.inf
        for _ in range(30):  # false position; a log-likelihood to .005 of 1.92 is plenty
            share = np.clip(f_inner / (f_inner - f_outer), 0.1, 0.9)
            middle = inner + share * (outer - inner)
            f, line = excess(middle, near)
            if abs(f) < 0.005:
                return middle
            if f > 0:
                outer, f_outer = middle, f
            else:
                inner, f_inner, near = middle, f, line
        return inner

    def bootstrap(self, best: Floats, draws: int, seed: int) -> list[tuple[float, float]]:
        """Return percentile intervals on the line over resampled groups."""
        keyed = Keyed(seed, "fit/bootstrap")
        found = np.empty((draws, len(best)))
        for b in range(draws):
            picked = keyed.integers(self.groups, b, shape=(self.groups,))
            count = np.bincount(picked, minlength=self.groups).astype(np.float64)
            found[b], _ = self.maximize([best], weight=count[self.group])
        low, high = np.quantile(found, [0.025, 0.975], axis=0)
        return list(zip(low.tolist(), high.tolist(), strict=True))


def estimate(
    model: str,
    likelihood: Likelihood,
    parameters: Sequence[Parameter],
    group: NDArray[np.int64],
    *,
    intervals: str = "profile",
    draws: int = 200,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Fit:
    """Estimate the free parameters of a model.

    Args:
        model: Its name.
        likelihood: See `Likelihood`.
        parameters: From `choose_parameters`.
        group: [N] group of each row, 0 … G-1, for the bootstrap.
        intervals: One of `INTERVALS`.
        draws: Resamples of the bootstrap.
        seed: Keys starting places and resamples.
        notes: What the user should know of the data.

    Raises:
        UnknownNameError: For another kind of interval.
        ConfigError: If there are no rows, too few groups or draws, or no likelihood anywhere.
    """
    if intervals not in INTERVALS:
        raise UnknownNameError("interval", intervals, INTERVALS)
    search = Search(likelihood, parameters, group)
    if len(group) == 0:
        raise ConfigError(f"model {model!r}: no usable row to fit")
    if intervals == "bootstrap" and (search.groups < 2 or draws < 20):
        raise ConfigError(
            f"bootstrap: {search.groups} groups and {draws} draws; give at least 2 and 20"
        )
    best, loss = search.maximize(search.begin(seed))
    if loss >= _IMPOSSIBLE / 2:
        raise ConfigError(f"model {model!r}: the data are impossible under every value tried")
    ends: Sequence[tuple[float, float] | None]
    if intervals == "profile":
        ends = search.profile(best, loss)
    elif intervals == "information":
        ends = search.information(best)
    else:
        ends = search.bootstrap(best, draws, seed)
    by_name = {
        p.name: (u, span) for p, u, span in zip(search.free, best.tolist(), ends, strict=True)
    }
    estimates = tuple(_told(p, *by_name.get(p.name, (None, None))) for p in parameters)
    told = list(notes)
    told += [
        f"{e.name}: the likelihood rises to the end of its range; read the value as a limit"
        for e in estimates
        if e.at_bound
    ]
    return Fit(model, len(group), search.groups, -loss, intervals, estimates, tuple(told))


def _told(p: Parameter, u: float | None, span: tuple[float, float] | None) -> Estimate:
    if u is None:
        return Estimate(p.name, p.start, None, None, False, False, p.about, p.reference, p.key)
    at_bound = bool(np.isfinite(p.low) and abs(u) > EDGE - 2.0)
    low = high = None
    if span is not None:
        low = p.low if span[0] == -np.inf else p.from_line(span[0])
        high = p.high if span[1] == np.inf else p.from_line(span[1])
        low, high = (x if np.isfinite(x) else None for x in (low, high))
    return Estimate(p.name, p.from_line(u), low, high, True, at_bound, p.about, p.reference, p.key)

"""Multinomial logistic choice over options with features: fitting, and reading from JSON.

P(k) ∝ exp(x_k · b), one coefficient per feature, shared by all options (McFadden's conditional
logit). The log-likelihood is concave; Newton's steps with scipy's linear algebra find its maximum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from agents.policies.numeric import Bools, Floats, log_normalize, pick
from environments.core.errors import ConfigError, DataError

FORMAT = "facilitate-choice-logit"
VERSION = 1


@dataclass(frozen=True)
class ChoiceLogit:
    """A fitted choice model."""

    features: tuple[str, ...]
    coefficients: Floats
    """[F]"""
    covariance: Floats
    """[F, F] inverse of the observed information (with the ridge)."""
    n: int
    """Decisions that it was fitted to."""
    log_likelihood: float
    ridge: float

    source: ClassVar[str] = (
        "McFadden 1974, in Frontiers in Econometrics; cloning: Pomerleau 1991, Neural Comput. 3"
    )

    def log_probs(self, x: Floats, mask: Bools) -> Floats:
        """Return log-probabilities of options, [B, K], from features [B, K, F].

        Features are added up one by one, so that a row has the same bits in any batch.
        """
        score = np.zeros(x.shape[:2])
        for place, b in enumerate(self.coefficients.tolist()):
            score = score + b * x[:, :, place]
        return log_normalize(score, mask)

    def standard_errors(self) -> Floats:
        """Return the coefficients' standard errors, [F]."""
        return np.sqrt(np.diag(self.covariance))

    # -- files -----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model as JSON.

        Raises:
            DataError: If the file cannot be written.
        """
        plain = {
            "format": FORMAT,
            "version": VERSION,
            "features": list(self.features),
            "coefficients": self.coefficients.tolist(),
            "covariance": self.covariance.tolist(),
            "n": self.n,
            "log_likelihood": self.log_likelihood,
            "ridge": self.ridge,
        }
        try:
            Path(path).write_text(json.dumps(plain, indent=1, allow_nan=False), encoding="utf-8")
        except OSError as error:
            raise DataError(f"cannot write ({error.strerror})", path) from error

    @staticmethod
    def load(path: str | Path) -> ChoiceLogit:
        """Read a model that `save` wrote; nothing in the file is executed.

        Raises:
            DataError: If the file is missing, no JSON, or not such a model.
        """
        try:
            plain = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"cannot read ({error.strerror})", path) from error
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8 text", path) from error
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON ({error.msg})", path, error.lineno) from error
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise DataError(f"not a fitted choice model (it needs format: {FORMAT!r})", path)
        if plain.get("version") != VERSION:
            told = f"version {plain.get('version')!r}, this reader knows {VERSION}"
            raise DataError(told, path)
        return _checked(plain, path)


def _checked(plain: dict[str, Any], path: str | Path) -> ChoiceLogit:
    names = plain.get("features")
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not isinstance(names, list) or not texts or not names:
        raise DataError("features: expected a list of names", path)
    f = len(names)
    n = plain.get("n")
    if type(n) is not int or n < 0:
        raise DataError(f"n: expected a count, given {n!r}", path)
    arrays = {}
    for key, shape in (("coefficients", (f,)), ("covariance", (f, f))):
        try:
            array = np.array(plain.get(key), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{key}: expected numbers of shape {shape}", path) from error
        if array.shape != shape or not np.isfinite(array).all():
            told = f"{key}: expected finite numbers of shape {shape}, given shape {array.shape}"
            raise DataError(told, path)
        arrays[key] = array
    numbers = {}
    for key in ("log_likelihood", "ridge"):
        value = plain.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"{key}: expected a number, given {value!r}", path)
        numbers[key] = float(value)
    return ChoiceLogit(tuple(names), arrays["coefficients"], arrays["covariance"], n, **numbers)


def fit_choice_logit(
    x: Floats,
    mask: Bools,
    choice: NDArray[np.int64],
    features: tuple[str, ...],
    ridge: float = 1e-3,
    steps: int = 100,
) -> ChoiceLogit:
    """Fit a choice model by penalized maximum likelihood.

    Args:
        x: [N, K, F] features.
        mask: [N, K] options that exist.
        choice: [N] chosen options; rows with -1 or with NaN features are left out.
        features: F names.
        ridge: Penalty ½·ridge·|b|² (features that never vary then get coefficient 0, and
            choices without an exception finite ones).
        steps: Most Newton steps.

    Raises:
        ConfigError: If no decision is left, or the ridge is not positive.
    """
    if not ridge > 0:
        raise ConfigError(f"ridge: {ridge!r} is not allowed; give a number > 0")
    usable = (choice >= 0) & ~np.isnan(x).any(axis=(1, 2)) & (mask.sum(axis=1) > 1)
    x, mask, choice = x[usable], mask[usable], choice[usable]
    if not len(choice):
        raise ConfigError("behaviour cloning: there is no decision to learn from (0 usable rows)")
    b = np.zeros(len(features))
    value = -np.inf
    information = np.eye(len(features))
    for _ in range(steps):
        new, gradient, information = _objective(b, x, mask, choice, ridge)
        if new - value < 1e-10 * (1.0 + abs(new)) and np.abs(gradient).max() < 1e-6 * len(choice):
            break
        value = new
        step = cho_solve(cho_factor(information), gradient)
        scale = 1.0
        while scale > 1e-8 and _objective(b + scale * step, x, mask, choice, ridge)[0] < value:
            scale /= 2.0
        b = b + scale * step
    covariance = cho_solve(cho_factor(information), np.eye(len(features)))
    fitted = ChoiceLogit(features, b, covariance, len(choice), 0.0, ridge)
    told = float(pick(fitted.log_probs(x, mask), choice).sum())
    return ChoiceLogit(features, b, covariance, len(choice), told, ridge)


def _objective(
    b: Floats, x: Floats, mask: Bools, choice: NDArray[np.int64], ridge: float
) -> tuple[float, Floats, Floats]:
    log_p = log_normalize(x @ b, mask)
    p = np.exp(log_p)
    mean = np.einsum("nk,nkf->nf", p, x)
    chosen = x[np.arange(len(choice)), choice]
    gradient = (chosen - mean).sum(axis=0) - ridge * b
    centred = (x - mean[:, None, :]) * np.sqrt(p)[:, :, None]
    flat = centred.reshape(-1, len(b))
    information = flat.T @ flat + ridge * np.eye(len(b))
    return float(pick(log_p, choice).sum() - 0.5 * ridge * (b @ b)), gradient, information

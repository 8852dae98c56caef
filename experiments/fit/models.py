"""The models that tables of human data can be fitted to, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from environments.core.columns import Columns
from environments.core.errors import UnknownNameError
from experiments.fit.base import TableModel
from experiments.fit.choices import (
    AutomationModel,
    BiasedBayesianModel,
    BiasedReportModel,
    NoisyRationalModel,
)
from experiments.fit.estimation import estimate
from experiments.fit.games import HierarchyModel, ProspectModel
from experiments.fit.judgements import AdviceModel, AnchoringModel, RecallModel, TrustModel
from experiments.fit.parameters import Fit, Parameter, choose_parameters
from experiments.fit.table import Table, read_table

MODELS: dict[str, TableModel] = {
    model.name: model
    for model in (
        NoisyRationalModel(),
        AdviceModel(),
        TrustModel(),
        BiasedBayesianModel(),
        BiasedReportModel(),
        AutomationModel(),
        AnchoringModel(),
        RecallModel(),
        ProspectModel(),
        HierarchyModel(),
    )
}


def table_model(name: str) -> TableModel:
    """Return a model by name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS, "--model")
    return MODELS[name]


def fit_table(
    model: TableModel,
    table: Table,
    *,
    fixed: dict[str, float] | None = None,
    freed: tuple[str, ...] = (),
    intervals: str = "profile",
    draws: int = 200,
    seed: int = 0,
) -> Fit:
    """Fit a model to a table; see `experiments.fit.estimation.estimate`."""
    data = model.arrange(table.columns, table.group)
    starts = model.starts(data)
    known = [_started(p, starts) for p in model.parameters]
    parameters = choose_parameters(known, fixed or {}, freed)
    notes = model.notes(data)
    if table.ignored:
        notes.append(f"columns not used: {', '.join(table.ignored)}")
    people = int(table.group.max(initial=-1)) + 1
    if table.named and people < data.n and intervals != "bootstrap":
        notes.append(
            f"{data.n} rows of {people} persons: these intervals take rows as independent; "
            "--intervals bootstrap resamples persons"
        )
    return estimate(
        model.name,
        lambda values: model.log_likelihood(values, data),
        parameters,
        table.group,
        intervals=intervals,
        draws=draws,
        seed=seed,
        notes=notes,
    )


def fit_file(path: str, model: TableModel, **settings: Any) -> Fit:
    """Read a CSV file and fit a model to it; see `fit_table` and `read_table`."""
    return fit_table(model, read_table(path, model.fields), **settings)


def _started(p: Parameter, starts: dict[str, float]) -> Parameter:
    return replace(p, start=starts[p.name]) if p.name in starts and p.free else p


def simulated(model: TableModel, values: dict[str, float], n: int, seed: int) -> Table:
    """Return a table that the model made with known values (others: their starting values)."""
    full = {p.name: p.start for p in model.parameters} | values
    data = model.simulate(full, n, seed)
    named = "person" in data
    group = data["person"].astype(np.int64) if named else np.arange(data.n)
    columns = Columns({name: data[name] for name in data if name != "person"})
    return Table(columns, group, named, ())

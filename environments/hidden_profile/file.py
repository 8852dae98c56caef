"""Hidden profiles over a user's own cases, from JSON Lines or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, Reference, SplitPlan
from environments.cases import Cases, Evidence
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.council import Council
from environments.hidden_profile.discussion import Discussion, discuss
from environments.hidden_profile.environment import member
from environments.hidden_profile.records import ProfileRecord, row_checker
from environments.reading.file import ReadingFile, ReadingFileConfig
from environments.reading.records import Record
from environments.rows import read_records


@dataclass
class HiddenProfileFileConfig(ReadingFileConfig):
    """Configuration of `HiddenProfileFile`.

    One JSON object a line (or one Parquet row), with the fields

    * ``question``: text;
    * ``options``: at least two different texts;
    * ``answer``: index of the right option, or its text;
    * ``shared``: list of the facts that all members hold;
    * ``private``: one list per member, in the members' order, of the facts that it holds alone;
    * optional ``context``, ``source``, ``id`` and ``split``, as in `ReadingFileConfig`.

    A fact is a text or ``{"text": …, "llr": [one number per option]}``. A member may have no
    private facts (an empty list).
    """

    name: str = "hidden_profile_file"
    n_members: int = 4
    """Members of a team; every row must have as many private lists."""


class HiddenProfileFile(ReadingFile):
    """Hidden profiles over a user's own file: shared facts, and facts of one member each.

    Spaces: K and E are the largest numbers of options and of facts in the file; a case has its own
    numbers. The order of options is drawn by a hash of the row's id. The truth is the file's
    answer, whatever its likelihoods say; where all facts have some, `numeric` is true and beliefs
    are a flat prior plus the facts held. Numeric files make a `council`: reward 1 if the majority
    is right.

    Information groups: ``public`` (no fact), ``member_1`` … ``member_n`` (shared facts and its own)
    and ``source`` (all facts).

    Raises:
        ConfigError: If a field is out of range or the file has too few rows for a split.
        DataError: If the file is missing or a row is malformed (with its line).
    """

    Config = HiddenProfileFileConfig
    source = "the user's own file (hidden-profile task of Stasser & Titus 1985)"
    config: HiddenProfileFileConfig

    @classmethod
    def groups(cls, config: EnvironmentConfig) -> tuple[str, ...]:
        """Return ``public``, one group per member, and ``source``."""
        assert isinstance(config, HiddenProfileFileConfig)
        return (PUBLIC, *(member(i + 1) for i in range(config.n_members)), SOURCE)

    def __init__(self, config: HiddenProfileFileConfig, plan: SplitPlan) -> None:
        if not 2 <= config.n_members <= 64:
            raise ConfigError(f"environment.n_members={config.n_members} is not in 2 … 64")
        self.information = self.groups(config)
        super().__init__(config, plan)
        self._holders = np.full((len(self._records), self.max_evidence), -1, dtype=np.int64)
        for row, record in enumerate(self._records):
            assert isinstance(record, ProfileRecord)
            self._holders[row, : len(record.holders)] = record.holders

    def _read(self, path: Path) -> list[Record]:
        return read_records(path, self.config.ignore_fields, row_checker(self.config.n_members))

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """Return the cases with these ids."""
        cases = super().deal(case_id)
        holder = self._holders[cases.case_id][:, :, None]
        codes = np.arange(len(self.information))
        held = (holder == codes) | (holder == 0) | (codes == codes[-1])
        held &= (holder >= 0) & (codes > 0)
        return Cases(
            case_id=cases.case_id,
            n_options=cases.n_options,
            public=cases.public,
            evidence=Evidence(cases.evidence.llr, frozen(held)),
        )

    def council(self, rounds: int = 3) -> Council:
        """Return the team as a batched decision process (numeric files only); see `Council`."""
        return Council(self, rounds)

    def simulator(self) -> Council | None:
        """Return the team as a batched decision process: its `council`."""
        return self.council() if self.numeric else None

    def reference_values(self) -> Mapping[str, Reference]:
        """Return chance and, for numeric files, accuracies without exchange and with all facts."""
        values = dict(super().reference_values())
        if not self.numeric:
            return values
        ids = np.arange(len(self._records), dtype=np.int64)
        cases, truth, n = self.deal(ids), self.seal().reveal(ids, "reference"), len(ids)
        silent = discuss(self, cases, Discussion(rounds=0), seed=0)
        belief = self.assess(cases, SOURCE, np.full(n, -1))
        top = belief >= belief.max(axis=1, keepdims=True) - 1e-9
        full = float((top[np.arange(n), truth] / top.sum(axis=1)).mean())
        vote = float((silent.choice == truth).mean())
        values["no_communication"] = Reference(
            vote, "accuracy of a majority vote without any exchange, over all rows", False, n
        )
        values["full_information"] = Reference(
            full, "accuracy when all facts are pooled, over all rows", False, n
        )
        return values

"""The conformance checker catches every kind of broken environment."""

import dataclasses

import numpy as np
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment, check_environment, verdict
from environments.core.columns import Columns
from environments.core.errors import ConformanceError
from environments.reading.world import Reading, ReadingConfig

PLAN = SplitPlan(dict.fromkeys(Split, 300))


def _truth(env, ids):
    return Reading.seal(env).reveal(ids, "test")


class Leaky(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        return dataclasses.replace(cases, public=cases.public.with_(hint=_truth(self, case_id)))


class OneHotLeak(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        lit = (np.arange(self.max_options) == _truth(self, case_id)[:, None]).astype(np.int64)
        return dataclasses.replace(cases, public=cases.public.with_(mark=lit))


class ParityLeak(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        code = 2 * (case_id % 3) + _truth(self, case_id)
        return dataclasses.replace(cases, public=cases.public.with_(style=code))


class NamedLeak(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        return dataclasses.replace(cases, public=cases.public.with_(answer_key=case_id * 0))


class FirstIsRight(Reading):
    def seal(self):
        inner = super().seal()
        inner._truth = lambda ids: np.zeros(len(ids), dtype=np.int64)
        return inner


class Stateful(Reading):
    calls = 0

    def deal(self, case_id):
        self.calls += 1
        return super().deal(np.asarray(case_id) + self.calls % 2)


class BatchDependent(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        rank = np.arange(len(case_id))
        return dataclasses.replace(cases, public=cases.public.with_(rank=rank))


class Writable(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        return dataclasses.replace(cases, n_options=cases.n_options.copy())


class Overlapping(Reading):
    def case_ids(self, split, replicate):
        return super().case_ids(Split.TEST if split == Split.CURVE else split, replicate)


class Unnormalized(Reading):
    def assess(self, cases, information, agent_id):
        return super().assess(cases, information, agent_id) + 0.01


class Overheard(Reading):
    def deal(self, case_id):
        cases = super().deal(case_id)
        held = np.ones_like(cases.evidence.held)
        held.flags.writeable = False
        return dataclasses.replace(cases, evidence=dataclasses.replace(cases.evidence, held=held))


class Credulous(Reading):
    def verify_quotes(self, cases, information, quotes):
        return np.ones(quotes.shape, dtype=bool)


class Forgetful(Reading):
    def assess(self, cases, information, agent_id):
        group = "public" if information == "source" else information
        return super().assess(cases, group, agent_id)


class Wordy(Reading):
    def render_context(self, cases):
        return [text + " Really." for text in super().render_context(cases)]


class NoQuotes(Reading):
    def locate_quotes(self, cases, text):
        return np.zeros((len(text), 0), dtype=np.int64)


class AnyQuote(Reading):
    def locate_quotes(self, cases, text):
        found = super().locate_quotes(cases, text)
        return found if found.size else np.zeros((len(text), 1), dtype=np.int64)


class Raising(Reading):
    def render_options(self, cases):
        raise RuntimeError("oops")


BROKEN = [
    (Leaky, "sealed truth"),
    (OneHotLeak, "sealed truth"),
    (ParityLeak, "truth position"),
    (NamedLeak, "sealed truth"),
    (FirstIsRight, "truth position"),
    (Stateful, "same id, same case"),
    (BatchDependent, "batch independence"),
    (Writable, "read-only"),
    (Overlapping, "splits"),
    (Unnormalized, "beliefs"),
    (Overheard, "evidence"),
    (Credulous, "quotes"),
    (Forgetful, "evidence"),
    (Wordy, "texts"),
    (NoQuotes, "quotes in text"),
    (AnyQuote, "quotes in text"),
    (Raising, "texts"),
]


@pytest.mark.parametrize(("broken", "check"), BROKEN, ids=[b.__name__ for b, _ in BROKEN])
def test_each_fault_is_found(broken, check):
    findings = {f.check: f for f in check_environment(broken(ReadingConfig(), PLAN))}
    assert not findings[check].ok, verdict(list(findings.values()))


def test_a_sound_environment_passes_with_a_readable_verdict():
    findings = assert_environment(Reading(ReadingConfig(), PLAN))
    assert verdict(findings).endswith(
        f"{len(findings)} of {len(findings)} checks passed: it conforms"
    )


def test_the_raising_variant_names_the_failed_check():
    with pytest.raises(ConformanceError, match="Overlapping: splits: two splits share"):
        assert_environment(Overlapping(ReadingConfig(), PLAN))


def test_an_empty_plan_is_a_finding_not_a_crash():
    findings = check_environment(Reading(ReadingConfig(), SplitPlan({})))
    assert len(findings) == 1 and not findings[0].ok
    assert "at least 100" in findings[0].detail


def test_public_must_be_columns_and_their_order_does_not_matter():
    class Reordered(Reading):
        def deal(self, case_id):
            cases = super().deal(case_id)
            names = sorted(cases.public)[:: 1 if len(case_id) % 2 else -1]
            return dataclasses.replace(cases, public=Columns({n: cases.public[n] for n in names}))

    assert_environment(Reordered(ReadingConfig(), PLAN))

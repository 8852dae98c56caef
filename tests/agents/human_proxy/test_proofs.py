"""Every published or derived number that the package claims, and that a wrong one would show."""

import time

import pytest

import agents.human_proxy.proofs as module
from agents.human_proxy.proofs import proofs


def test_every_proof_holds_quickly_and_each_of_the_ten_models_has_one():
    start = time.process_time()
    found = proofs()
    assert time.process_time() - start < 8
    assert [p.claim for p in found if not p.ok] == []
    assert len({p.claim for p in found}) == len(found) and all(p.source for p in found)
    models = {p.claim.split(":")[0] for p in found}
    assert models == {
        "noisy rational", "advice", "beta trust", "biased Bayes", "automation", "anchoring",
        "memory", "prospect", "hierarchy", "cloning", "synergy",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "values", "claim"),
    [
        ("anchor", {"weight": 0.4}, "anchoring: index of beliefs"),
        ("advice", {"weight": 0.3}, "advice: mean WOA recovered"),
        ("automation", {"relative_risk": 1.4}, "automation: relative risk"),
        ("trust", {"failure": 3.0}, "beta trust: limit"),
        ("choose", {"beta": 1.1}, "noisy rational: σ(1)"),
        ("update", {"contrary_weight": 0.5}, "biased Bayes: .6"),
    ],
)
def test_another_value_breaks_its_proof(monkeypatch, stage, values, claim):
    real = module.person

    def shifted(preset="rational", **stages):
        if stage in stages:
            stages = {**stages, stage: {**stages[stage], **values}}
        return real(preset, **stages)

    monkeypatch.setattr(module, "person", shifted)
    parts = {
        "anchor": module._anchoring, "advice": module._advice, "automation": module._automation,
        "trust": module._trust, "choose": module._noisy_rational, "update": module._biased_bayes,
    }  # fmt: skip
    hit = [p for p in parts[stage]() if p.claim.startswith(claim)]
    assert len(hit) == 1 and not hit[0].ok

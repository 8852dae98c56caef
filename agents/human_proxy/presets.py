"""Configuration of a human proxy: a preset, and what the user sets otherwise.

A field that a configuration leaves empty takes the preset's value::

    policy: {name: human_proxy, preset: typical_person, update: {evidence_weight: .8}}
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from agents.human_proxy.advice import AdviceConfig
from agents.human_proxy.choose import ChooseConfig
from agents.human_proxy.perceive import PerceiveConfig
from agents.human_proxy.remember import RememberConfig
from agents.human_proxy.trust import TrustConfig
from agents.human_proxy.update import UpdateConfig
from environments.core.errors import UnknownNameError


@dataclass
class HumanProxyConfig:
    """Configuration of `agents.human_proxy.policy.HumanProxy`."""

    name: str = "human_proxy"
    preset: str = "typical_person"
    """One of `PRESETS`: gives every value that is not set below."""
    perceive: PerceiveConfig = field(default_factory=PerceiveConfig)
    remember: RememberConfig = field(default_factory=RememberConfig)
    update: UpdateConfig = field(default_factory=UpdateConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
    advice: AdviceConfig = field(default_factory=AdviceConfig)
    choose: ChooseConfig = field(default_factory=ChooseConfig)


STAGES = ("perceive", "remember", "update", "trust", "advice", "choose")

_RATIONAL = HumanProxyConfig(
    preset="rational",
    perceive=PerceiveConfig(credulity=1.0, unverified_weight=0.0, lapse=0.0),
    remember=RememberConfig(span=0),
    update=UpdateConfig(prior_weight=1.0, evidence_weight=1.0, contrary_weight=1.0),
    trust=TrustConfig(alpha=1.0, beta=1.0, success=1.0, failure=1.0, advisers=8),
    advice=AdviceConfig(weight=0.0),
    choose=ChooseConfig(beta=float("inf"), mistake=0.0, skip_below=0.0, position_bias=0.0),
)

_TYPICAL = replace(
    _RATIONAL,
    preset="typical_person",
    # Cowan 2001: about four chunks.
    remember=RememberConfig(span=4),
    # Edwards 1968 ("conservatism"): two to five observations do the work of one; the mild end.
    update=UpdateConfig(prior_weight=1.0, evidence_weight=0.5, contrary_weight=1.0),
    # Guo & Yang 2021: fitted per person, failures weigh more than successes; the factor 2 is ours.
    trust=TrustConfig(alpha=1.0, beta=1.0, success=1.0, failure=2.0, advisers=8),
    # Meta-analysis of weight on advice: .39 [.37, .42].
    advice=AdviceConfig(weight=0.39),
    # B-Pref's values. They make a very noisy judge: set choose.beta higher for sharper verdicts.
    choose=ChooseConfig(beta=1.0, mistake=0.1, skip_below=0.0, position_bias=0.0),
)

PRESETS: dict[str, HumanProxyConfig] = {
    "rational": _RATIONAL,
    "typical_person": _TYPICAL,
    # Parasuraman & Riley 1997 name the directions (misuse and disuse); the sizes are ours.
    "over_truster": replace(
        _TYPICAL,
        preset="over_truster",
        perceive=PerceiveConfig(credulity=1.0, unverified_weight=1.0, lapse=0.0),
        trust=TrustConfig(alpha=1.0, beta=1.0, success=2.0, failure=1.0, advisers=8),
        advice=AdviceConfig(weight=0.8),
    ),
    "under_truster": replace(
        _TYPICAL,
        preset="under_truster",
        perceive=PerceiveConfig(credulity=0.5, unverified_weight=0.0, lapse=0.0),
        trust=TrustConfig(alpha=1.0, beta=1.0, success=1.0, failure=4.0, advisers=8),
        advice=AdviceConfig(weight=0.1),
    ),
}
"""Complete configurations: `rational` is the exact Bayesian; `typical_person` has published values
where there are any; the two trusters differ from it in what they believe unproved."""


def resolve_preset(config: HumanProxyConfig) -> HumanProxyConfig:
    """Return the configuration with every empty field filled in from its preset.

    Raises:
        UnknownNameError: For an unknown preset.
    """
    if config.preset not in PRESETS:
        raise UnknownNameError("preset", config.preset, PRESETS, "human_proxy.preset")
    preset = PRESETS[config.preset]
    return replace(config, **{s: _filled(getattr(config, s), getattr(preset, s)) for s in STAGES})


def _filled(given: Any, preset: Any) -> Any:
    values = {f.name: getattr(given, f.name) for f in fields(given)}
    return replace(preset, **{name: value for name, value in values.items() if value is not None})

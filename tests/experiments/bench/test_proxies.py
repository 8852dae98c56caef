import json

from agents.human_proxy.presets import PRESETS
from experiments.bench.proxies import run


def test_the_benchmark_checks_its_answers_and_is_plain_json():
    measured = run(people=20_000, repeats=2)
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert measured["people"] == 20_000
    assert 0 < measured["best_seconds"] <= measured["seconds"] < 1
    others = {name for name in PRESETS if name != "typical_person"}
    assert others == {k.removeprefix("seconds_") for k in measured if k.startswith("seconds_")}
    # One audited outcome: trust 2/3 or 1/4 against a stranger's 1/2; 70 % were right.
    assert abs(measured["weight_on_advice"] - 0.39 * (0.7 * 4 / 3 + 0.3 * 1 / 2)) < 0.005

"""The commands that documents and scenario files show are accepted as they stand."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from environments.core.errors import UnknownNameError
from experiments.config.load import load_scenario
from tests.experiments.population.small import drive

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = ("population", "population_language", "oversight_at_scale", "opinion_cascade")
LEAN = (
    "population.size=600",
    "population.exam=20",
    "splits.teaching=500",
    "splits.curve=50",
    "splits.test=50",
    "schedule.ticks=1",
    "runtime=inprocess",
)


def shown():
    """Return the scenario and overrides of every command of the page, and of the files' headers."""
    page = (ROOT / "docs/population.md").read_text("utf-8").replace("\\\n", " ")
    found = [
        shlex.split(line, comments=True)[2:]
        for line in re.findall(r"^facilitate run .*", page, flags=re.MULTILINE)
    ]
    for name in SCENARIOS:
        text = (ROOT / f"experiments/scenarios/{name}.yaml").read_text("utf-8")
        for line in re.findall(r"^#   (?=['a-z_.]*=)(.*)", text, flags=re.MULTILINE):
            found.append([name, *takewhile(lambda word: "=" in word, shlex.split(line))])
    return [words for words in found if "/models/" not in " ".join(words)]  # nobody has these


COMMANDS = {" ".join(words): words for words in shown()}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_shown_is_accepted(command):
    name, *overrides = COMMANDS[command]
    assert overrides or command in SCENARIOS
    assert load_scenario(name, overrides).population.size


def test_headers_are_among_them():
    assert sum(words[0] == "oversight_at_scale" for words in COMMANDS.values()) >= 3
    assert sum(words[0] == "opinion_cascade" for words in COMMANDS.values()) >= 3


@pytest.mark.parametrize("protocol", ["debate", "deliberation", "explanation"])
def test_a_population_talks_by_another_protocol(protocol, tmp_path):
    [(name, *overrides)] = [
        words for words in COMMANDS.values() if f"population.protocol={protocol}" in words
    ]
    config = load_scenario(name, [*overrides, *LEAN])
    run = drive(config, tmp_path / "run")
    assert config.population.protocol["name"] == protocol
    teams = run.metrics()[1]["teams"].values()
    assert sum(team["rooms"] for team in teams) > 0 < sum(team["messages"] for team in teams)


def test_a_draw_is_taken_out_by_null():
    draws = "population.team.draws"
    config = load_scenario(
        "oversight_at_scale",
        ["population.protocol=explanation", f"{draws}.proposer=null", f"{draws}.critic=null"],
    )
    assert config.population.team.draws == {}
    with pytest.raises(UnknownNameError, match=f"unknown entry 'critc' at {draws}; did you mean c"):
        load_scenario("oversight_at_scale", [f"{draws}.critc=null"])

"""``facilitate proofs`` and ``facilitate list``: what they print, and when they fail."""

import pytest

from environments.adapters import proofs as adapters
from environments.chess_puzzles import proofs as chess
from environments.core.errors import MissingExtraError
from environments.core.proof import Proof
from environments.reading import proofs as reading
from experiments import cli
from experiments import proofs as all_of_them

HOLDS = Proof("one is one", "arithmetic", 1.0, 1.0, 0.0)
FAILS = Proof("one is two", "arithmetic", 2.0, 1.0, 0.5)


@pytest.mark.parametrize("module", [reading, chess])
def test_every_proof_of_the_piece_holds(module):
    found = module.proofs()
    assert len(found) >= 4 and not [p.claim for p in found if not p.ok]
    assert all(p.source for p in found)


def test_every_piece_exists_and_none_is_forgotten():
    import importlib
    from pathlib import Path

    root = Path(all_of_them.__file__).resolve().parents[1]
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for package in ("environments", "coordination", "agents", "experiments")
        for path in (root / package).rglob("proofs.py")
    }
    files -= {"experiments.proofs", "experiments.commands.proofs"}
    assert files == set(all_of_them.PIECES.values())
    for module in files:
        assert callable(importlib.import_module(module).proofs)


@pytest.fixture
def pieces(monkeypatch):
    monkeypatch.setattr(
        all_of_them, "PIECES", {"one": reading.__name__, "cards": adapters.__name__}
    )
    monkeypatch.setattr(adapters, "proofs", lambda: [HOLDS])
    monkeypatch.setattr(reading, "proofs", lambda: [HOLDS])
    return monkeypatch


def test_the_table_says_what_was_expected_and_obtained(pieces, capsys):
    assert cli.main(["proofs"]) == 0
    shown = capsys.readouterr().out
    assert "one is one" in shown and "arithmetic" in shown and "2 of 2 proofs pass" in shown
    assert "tolerance" in shown


def test_the_table_gives_each_tolerance(pieces, capsys):
    pieces.setattr(adapters, "proofs", lambda: [Proof("close", "a", 1.0, 1.0, 0.0625)])
    assert cli.main(["proofs"]) == 0
    assert "0.0625" in capsys.readouterr().out


def test_a_failed_proof_fails_the_command(pieces, capsys):
    pieces.setattr(adapters, "proofs", lambda: [HOLDS, FAILS])
    assert cli.main(["proofs"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL" in shown and "2 of 3 proofs pass" in shown


def test_a_missing_extra_is_named_and_leaves_the_rest(pieces, capsys):
    def missing():
        raise MissingExtraError("pyspiel", "openspiel")

    pieces.setattr(adapters, "proofs", missing)
    assert cli.main(["proofs"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "cards: not proved here" in shown and "facilitate[openspiel]" in shown
    assert "1 of 1 proofs pass" in shown


def test_all_ten_models_of_people_are_listed_with_their_sources(capsys):
    assert cli.main(["list", "proxies"]) == 0
    shown = capsys.readouterr().out
    models = {
        "noisy rational": "B-Pref",
        "advice discounting": "Yaniv",
        "beta trust": "Guo & Yang",
        "biased Bayesian": "Grether",
        "automation bias": "Goddard",
        "anchoring": "Jacowitz",
        "bounded memory": "Cowan",
        "prospect theory": "Tversky",
        "cognitive hierarchy": "Camerer",
        "behaviour cloning": "McFadden",
    }
    for model, source in models.items():
        line = next(line for line in shown.splitlines() if line.strip().startswith(model))
        assert source in shown and len(line.split()) > 4
    for preset in ("rational", "typical_person", "over_truster", "under_truster", "overloaded"):
        assert f"preset={preset}" in shown


def test_every_environment_is_listed_with_a_source(capsys):
    from environments import ENVIRONMENTS

    assert cli.main(["list", "environments"]) == 0
    shown = capsys.readouterr().out
    for name in ENVIRONMENTS.shipped():
        what, source = ENVIRONMENTS.describe(name)
        assert name in shown and what and source

"""The first sentence says what the interval says."""

from dataclasses import replace

from experiments.analysis.analysis import analyse
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import paired_difference
from experiments.report.sentence import first_sentence
from tests.experiments.analysis.synthetic import World, extra, ledger, scenario


def said(world):
    return first_sentence(analyse(ledger(world), scenario(world), extra(world)))


def test_more():
    text = said(World())
    assert text.startswith(
        "On reading, debate verdicts taught the weak model 9.4 points more than "
    )
    assert "consultancy verdicts" in text and "95 % CI +5.1 to +13.8" in text
    assert "3 seeds, illustrative" in text


def test_less():
    text = said(World().with_plateau(A4=0.60, A3=0.75))
    assert "points less than consultancy verdicts" in text


def test_none_states_what_could_have_been_missed():
    text = said(World().with_plateau(A4=0.645))
    assert text.startswith("No difference detected on reading") and "80 % probability" in text
    assert "more than" not in text and "less than" not in text


def test_seeds_that_do_not_differ_give_no_interval():
    world = World()
    found = analyse(ledger(world), scenario(world), extra(world))
    paired = paired_difference([0.7, 0.8, 0.6], [0.7, 0.8, 0.6])
    same = replace(found.primary, paired=paired, crossed=Estimate(0.0, -0.02, 0.02, 720))
    text = first_sentence(replace(found, primary=same))
    assert text.startswith("No difference detected on reading") and "+0.0 points" in text
    assert "the seeds do not differ, so no interval" in text and "80 %" not in text


def test_one_seed_makes_no_claim():
    text = said(World(seeds=1))
    assert "No claim can be made about other seeds" in text and "over cases alone" in text
    assert "more than" not in text


def test_enough_seeds_are_not_illustrative():
    assert "illustrative" not in said(World(seeds=5, test=120, teaching=80, curve=0))


def test_doubt_is_voiced_where_the_bootstrap_disagrees():
    world = World()
    found = analyse(ledger(world), scenario(world), extra(world))
    assert "Beware" not in first_sentence(found)
    crossed = Estimate(0.094, -0.013, 0.2, 720)
    doubtful = replace(found, primary=replace(found.primary, crossed=crossed))
    text = first_sentence(doubtful)
    assert "Beware" in text and "95 % CI −1.3 to +20.0" in text


def test_a_scenario_without_arms_reports_its_judges():
    text = said(World(learns=False))
    assert text.startswith("On reading, the judge was right in ") and "of the debate rooms" in text

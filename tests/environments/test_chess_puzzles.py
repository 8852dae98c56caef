"""Chess puzzles: real data, calibrated evidence, measured levels, nothing leaking."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.chess_puzzles import calibration
from environments.chess_puzzles.config import ChessPuzzlesConfig, Level
from environments.chess_puzzles.environment import ChessPuzzles
from environments.chess_puzzles.position import score_words
from environments.chess_puzzles.puzzles import DATA, DEPTHS, load_puzzles
from environments.conformance import assert_environment
from environments.core.beliefs import log_normalize
from environments.core.errors import ConfigError, DataError

PLAN = SplitPlan(
    {
        Split.WARM_START: 200,
        Split.CALIBRATION: 300,
        Split.TEACHING: 512,
        Split.CURVE: 200,
        Split.TEST: 239,
    }
)
BARE = {f"d{d}": Level(d, 0.0, surface=False) for d in DEPTHS}
NOISY = {f"s{s}": Level(12, float(s), surface=False) for s in (100, 200, 400, 800)}


def _world(**config):
    return ChessPuzzles(ChessPuzzlesConfig(**config), PLAN)


@pytest.fixture(scope="module")
def worlds():
    return {
        pairs: _world(pairs=pairs, levels=BARE | NOISY) for pairs in ("random", "matched", "all")
    }


@pytest.fixture(scope="module")
def rows():
    return pq.read_table(DATA).to_pylist()


@pytest.mark.parametrize("pairs", ["random", "matched", "all"])
def test_it_conforms(pairs):
    assert_environment(_world(pairs=pairs))


NAMES = ("d1", "d2", "d3", "d4", "d6", "d8", "d12", "public", "s100", "s200", "s400", "s800")
PUBLISHED = {
    "all": (0.764, 0.753, 0.788, 0.800, 0.893, 0.974, 0.999, 0.70),
    "matched": (0.794, 0.794, 0.842, 0.858, 0.930, 0.978, 0.999, 0.50, 0.988, 0.942, 0.854, 0.755),
}
"""Accuracies that the note on the data states, over all its rows."""


def _share_right(world, ids, belief):
    """Share of right picks; equal best options share a pick."""
    truth = world.seal().reveal(ids, "test")
    best = belief >= belief.max(axis=1, keepdims=True) - 1e-12
    return float((best[np.arange(len(ids)), truth] / best.sum(axis=1)).mean())


@pytest.mark.parametrize("pairs", ["all", "matched"])
def test_levels_agree_with_the_data_note_on_the_same_rows(worlds, pairs):
    world = worlds[pairs]
    ids = np.flatnonzero(world._eligible)  # the note's figures include the calibration cases
    cases = world.deal(ids)
    for level, expected in zip(NAMES, PUBLISHED[pairs], strict=False):
        value = _share_right(world, ids, world.assess(cases, level, np.full(len(ids), 1)))
        error = math.sqrt(expected * (1 - expected) / len(ids))
        # Without noise the figure is a count; the note has three digits, no word on ties, and two
        # matched pairs fewer.
        allowed = 4.5 * error if level.startswith("s") else 0.005
        assert abs(value - expected) < allowed, level


@pytest.mark.parametrize("pairs", ["all", "matched"])
def test_reported_levels_are_an_exact_count_of_the_raw_data(worlds, rows, pairs):
    world = worlds[pairs]
    measured = world.details()["accuracy"]
    ids = np.setdiff1d(np.flatnonzero(world._eligible), world.case_ids(Split.CALIBRATION, 0))
    for depth in DEPTHS:
        total = 0.0
        for row in (rows[i] for i in ids.tolist()):
            scores = row[f"score_d{depth}"]
            if pairs == "matched":
                places = [row["answer"], row["matched_option"]]
            else:
                places = list(range(len(scores)))
            top = [k for k in places if scores[k] == max(scores[j] for j in places)]
            total += (row["answer"] in top) / len(top)
        report = measured[f"d{depth}"]
        assert report["n"] == len(ids)
        assert report["value"] == pytest.approx(total / len(ids), abs=1e-12)
        assert report["low"] < report["value"] < report["high"]


def test_chance_and_full_information(worlds):
    values = worlds["all"].reference_values()
    assert values["chance"].value == pytest.approx(0.254, abs=0.001) and values["chance"].exact
    assert worlds["random"].reference_values()["chance"].value == 0.5
    assert all(w.reference_values()["full_information"].value > 0.99 for w in worlds.values())


def test_matched_surface_tells_nothing_and_random_surface_tells_something(worlds):
    cases = worlds["matched"].deal(worlds["matched"].case_ids(Split.TEST, 0))
    belief = worlds["matched"].assess(cases, "public", np.zeros(cases.n, dtype=np.int64))
    assert np.exp(belief) == pytest.approx(np.full((cases.n, 2), 0.5), abs=1e-12)
    assert worlds["random"].details()["accuracy"]["public"]["value"] > 0.75


def test_splits_come_from_the_datas_own_splits(worlds, rows):
    source = {"warm_start": "train", "calibration": "train", "teaching": "train"}
    source |= {"curve": "validation", "test": "test"}
    for world in worlds.values():
        for split, name in source.items():
            for replicate in (0, 1):
                ids = world.case_ids(Split(split), replicate)
                assert {rows[i]["split"] for i in ids} == {name}


def test_the_right_move_and_a_wrong_one_are_dealt(worlds, rows):
    world = worlds["random"]
    ids = world.case_ids(Split.TEACHING, 0)
    truth = world.seal().reveal(ids, "test")
    data = [[_mirror(m, rows[i]) for m in rows[i]["options_uci"]] for i in ids]
    dealt = [
        [_uci(option) for option in options] for options in world.render_options(world.deal(ids))
    ]
    places = []
    for row, moves, pair, right in zip(ids, data, dealt, truth, strict=True):
        assert pair[right] == moves[rows[row]["answer"]]
        wrong = moves.index(pair[1 - right])
        assert wrong != rows[row]["answer"]
        if len(moves) == 4:
            places.append((wrong - rows[row]["answer"]) % 4)
    counts = np.bincount(places, minlength=4)[1:]
    assert np.abs(counts / len(places) - 1 / 3).max() < 4.5 * np.sqrt(2 / 9 / len(places))


def _mirror(uci, row):
    if row["fen"].split()[1] == "w":
        return uci
    return "".join(str(9 - int(c)) if c.isdigit() else c for c in uci)


def _uci(option):
    words = option.split()
    return words[0][1:] + words[1][1:] + (words[2][1:] if len(words) == 3 else "")


def test_every_score_and_line_is_quoted_as_the_data_has_it(worlds, rows):
    world = worlds["all"]
    ids = world.case_ids(Split.TEST, 0)[:60]
    cases = world.deal(ids)
    for row, options, items in zip(
        ids.tolist(), world.render_options(cases), world.render_evidence(cases), strict=True
    ):
        data = rows[row]
        moves = [_mirror(m, data) for m in data["options_uci"]]
        for k, option in enumerate(options):
            original = moves.index(_uci(option))
            for i, depth in enumerate(DEPTHS):
                text = items[k * len(DEPTHS) + i]
                score = score_words(data[f"score_d{depth}"][original])
                assert text.startswith(f"The engine at depth {depth} gives move {option} {score}")
                if depth in (4, 12):
                    line = data[f"line_d{depth}"][original].split()
                    said = text.rstrip(".").split(" line ")[1].split()
                    assert len(said) == sum(not t.rstrip(".").isdigit() for t in line)
                else:
                    assert "line" not in text
        assert len(set(filter(None, items))) == len(options) * len(DEPTHS)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (0, "a score of 0 centipawns"),
        (-544, "a score of minus 544 centipawns"),
        (81, "a score of plus 81 centipawns"),
        (29999, "mate in 1 for the mover"),
        (-29998, "mate in 2 against the mover"),
    ],
)
def test_scores_in_words(score, words):
    assert score_words(score) == words


def test_a_quote_with_another_score_is_not_found(worlds):
    world = worlds["random"]
    cases = world.deal(world.case_ids(Split.TEST, 0)[:40])
    items = world.render_evidence(cases)
    real = world.locate_quotes(cases, [f"<quote>{texts[8]}</quote>" for texts in items])
    assert (real[:, 0] == 8).all() and real.shape[1] == 1
    for a, b in (("plus", "minus"), ("minus", "plus"), ("depth 2", "depth 3")):
        forged = [f"<quote>{texts[8].replace(a, b)}</quote>" for texts in items]
        changed = [
            text != f"<quote>{texts[8]}</quote>" for text, texts in zip(forged, items, strict=True)
        ]
        found = world.locate_quotes(cases, forged)
        wrong = (found == 8).any(axis=1) if found.size else np.zeros(cases.n, dtype=bool)
        assert any(changed) and not wrong[np.array(changed)].any()


def test_groups_hold_what_their_depth_reaches_and_quotes_are_verified_by_it():
    world = _world()
    cases = world.deal(world.case_ids(Split.TEST, 0)[:5])
    items = np.broadcast_to(np.arange(14), (5, 14))
    depths = np.tile(DEPTHS, 2)
    for group, reach in (
        ("public", 0),
        ("weak_expert", 2),
        ("expert", 6),
        ("strong_expert", 8),
        ("source", 12),
    ):
        assert (world.verify_quotes(cases, group, items) == (depths <= reach)).all()


def test_evidence_is_calibrated_at_every_depth(worlds):
    """Whoever reads all items up to depth d is hardly ever surer than right, and not much less."""
    world = worlds["random"]
    ids = np.setdiff1d(np.arange(5930), world.case_ids(Split.CALIBRATION, 0))
    cases, truth = world.deal(ids), world.seal().reveal(ids, "test")
    for depth in DEPTHS:
        known = np.tile(DEPTHS, 2) <= depth
        belief = np.exp(log_normalize(cases.evidence.llr[:, known].sum(axis=1), cases.option_mask))
        right = (belief.argmax(axis=1) == truth).mean()
        surplus = belief.max(axis=1).mean() - right
        assert -0.1 < surplus < 0.03, depth
        assert depth < 8 or abs(surplus) < 0.01


def test_levels_are_calibrated():
    world = _world()
    ids = np.setdiff1d(np.arange(5930), world.case_ids(Split.CALIBRATION, 0))
    cases, truth = world.deal(ids), world.seal().reveal(ids, "test")
    for level in world.config.levels:
        belief = np.exp(world.assess(cases, level, np.full(len(ids), 3)))
        right = (belief.argmax(axis=1) == truth).mean()
        assert abs(right - belief.max(axis=1).mean()) < 0.03, level


def test_discounts_stop_dependent_scores_from_counting_several_times(worlds):
    discounts = worlds["random"].details()["discounts"]
    assert all(0 <= w <= 1 for w in discounts.values())
    assert min(discounts["2"], discounts["3"], discounts["4"]) < 0.5
    assert discounts["12"] > 0.8


def test_noise_is_each_agents_own_and_does_not_depend_on_option_order(worlds):
    random, everything = worlds["random"], worlds["all"]
    ids = random.case_ids(Split.TEACHING, 0)
    one, two = (random.assess(random.deal(ids), "s400", np.full(512, a)) for a in (1, 2))
    assert not np.array_equal(one, two)
    assert np.array_equal(one, random.assess(random.deal(ids), "s400", np.full(512, 1)))
    # The same agent misreads the same move alike, whichever options stand beside it.
    level = Level(12, 400.0, surface=False)
    pair = random._reading(ids, np.full(512, 1), level)
    whole = everything._reading(ids, np.full(512, 1), level)
    for row in range(20):
        moves = everything._pick[ids[row]].tolist()
        for place, move in enumerate(random._pick[ids[row]].tolist()):
            assert pair[row, place] == whole[row, moves.index(move)]


def test_truth_spent_is_the_calibration_split_and_no_other_truth_matters(worlds):
    world = worlds["random"]
    assert world.truth_spent == {"calibration": 300}
    again = _world(levels=BARE | NOISY)
    assert np.array_equal(again._ratio, world._ratio)
    j = world.case_ids(Split.CALIBRATION, 0)
    for spoil, equal in ((np.setdiff1d(np.arange(5930), j), True), (j, False)):
        again._truth = world._truth.copy()
        again._truth[spoil] = 1 - again._truth[spoil]
        again._calibrate()
        assert np.array_equal(again._ratio, world._ratio) is equal
        assert np.array_equal(again._surface, world._surface) is equal


def test_missing_scores_are_no_evidence_and_no_opinion(tmp_path, rows, monkeypatch):
    table = pq.read_table(DATA)
    scores = [list(s) for s in table["score_d2"].to_pylist()]
    for row in range(0, len(scores), 2):
        scores[row][0] = None
    index = table.schema.get_field_index("score_d2")
    holey = table.set_column(index, "score_d2", pa.array(scores, type=pa.list_(pa.int64())))
    pq.write_table(holey, tmp_path / "holes.parquet")
    loaded = load_puzzles(tmp_path / "holes.parquet")
    monkeypatch.setattr("environments.chess_puzzles.environment.load_puzzles", lambda: loaded)
    world = _world(pairs="all", levels={"d2": Level(2, 100.0)})
    assert_environment(world)
    even = world.case_ids(Split.TEST, 0)
    even = even[even % 2 == 0]
    cases = world.deal(even)
    hole = np.argmax(world._pick[even] == 0, axis=1) * len(DEPTHS) + 1
    assert not cases.evidence.exists[np.arange(len(even)), hole].any()
    assert not cases.evidence.llr[np.arange(len(even)), hole].any()


def test_the_packaged_data_is_whole():
    puzzles, answers = load_puzzles()
    assert len(puzzles.board) == 5930
    assert (answers.matched >= 0).sum() == pytest.approx(2160, abs=5)
    assert (puzzles.board == 6).sum() == (puzzles.board == 12).sum() == 5930  # one king a side
    mover = np.take_along_axis(puzzles.board, puzzles.move[:, 0, :1], axis=1)[:, 0]
    assert ((mover >= 1) & (mover <= 6)).all()  # every move is by a piece of the mover
    assert (DATA.parent / "DATA.md").read_text().count("CC0") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": "best"}, "environment.pairs='best'"),
        ({"levels": {}}, "environment.levels is empty"),
        ({"levels": {"e": Level(5)}}, r"environment.levels.e.depth=5 \(allowed"),
        ({"levels": {"e": Level(6, -1.0)}}, "environment.levels.e.sigma"),
        ({"levels": {"source": Level()}}, "name is taken"),
        ({"min_rating": 2000, "max_rating": 1000}, "min_rating=2000 is above"),
        ({"min_rating": 2700}, "splits: .*the data has"),
    ],
)
def test_a_bad_field_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        _world(**change)


def test_too_many_cases_and_too_little_calibration_are_refused():
    sizes = dict(PLAN.sizes)
    with pytest.raises(ConfigError, match="teaching=1500 need 2000 cases, the data has 1671"):
        ChessPuzzles(ChessPuzzlesConfig(pairs="matched"), SplitPlan(sizes | {Split.TEACHING: 1500}))
    with pytest.raises(ConfigError, match="splits.calibration=99 is too few"):
        ChessPuzzles(ChessPuzzlesConfig(), SplitPlan(sizes | {Split.CALIBRATION: 99}))


def test_damaged_data_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_puzzles(tmp_path / "none.parquet")
    table = pq.read_table(DATA)
    pq.write_table(table.drop_columns(["score_d6"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has no column 'score_d6'"):
        load_puzzles(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("x")
    with pytest.raises(DataError, match="not a readable Parquet"):
        load_puzzles(tmp_path / "b.parquet")


def test_ratings_filter():
    world = _world(min_rating=1000, max_rating=2000)
    rating = world._puzzles.rating[world.case_ids(Split.TEACHING, 0)]
    assert rating.min() >= 1000 and rating.max() <= 2000


def test_wilson_interval_known_value():
    assert calibration.wilson(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert calibration.wilson(0.0, 0) == (0.0, 1.0)


def test_choice_fit_recovers_known_slopes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 3, 2))
    truth = (x @ np.array([1.0, -0.5]) + rng.gumbel(size=(20_000, 3))).argmax(axis=1)
    found = calibration.fit_choice(x, truth, np.ones((20_000, 3), dtype=bool))
    assert found == pytest.approx([1.0, -0.5], abs=0.05)


def test_item_fit_recovers_a_known_likelihood_ratio():
    """Scores N(±1, 1) of right and wrong options have log-likelihood ratio 2 s."""
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=20_000)
    right = np.arange(2) == truth[:, None]
    score = np.where(right, 1.0, -1.0)[:, :, None] + rng.normal(size=(20_000, 2, 1))
    a, b = calibration.fit_items(score, truth, np.ones((20_000, 2), dtype=bool))
    assert (a[0], b[0]) == pytest.approx((0.0, 2.0), abs=0.08)


def test_discount_of_a_repeated_item_shares_its_weight():
    """The same item seen twice must not count twice: any weights with sum 1 are right."""
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=20_000)
    right = np.arange(2) == truth[:, None]
    ratio = 2 * (np.where(right, 1.0, -1.0) + rng.normal(size=(20_000, 2)))
    twice = np.stack([ratio, ratio], axis=2)
    weight = calibration.fit_discounts(twice, truth, np.ones((20_000, 2), dtype=bool))
    assert weight == pytest.approx([1.0, 0.0], abs=0.05)


def test_configs_are_plain_dataclasses_for_omegaconf():
    from omegaconf import OmegaConf

    merged = OmegaConf.merge(
        OmegaConf.structured(ChessPuzzlesConfig), {"levels": {"oracle": {"depth": 12}}}
    )
    config = OmegaConf.to_object(merged)
    assert config.levels["oracle"] == Level(12, 0.0) and "expert" in config.levels
    assert dataclasses.is_dataclass(config.levels["oracle"])

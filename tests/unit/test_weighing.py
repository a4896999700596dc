"""Weighing the model's word by nearness: what it does to probabilities, and to the rule."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.checking.checker import default_options
from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import NliScores, Relation, Stance, Verdict
from onrecord_server.domain.verdict import WEIGHED_OPTIONS, Candidate, Thresholds, decide, judge
from onrecord_server.domain.weighing import FEATURES, Nearness, Weighing, nearness, parse_weighing
from onrecord_server.nli.files import weighing_beside

# likes what the model likes, and the more the nearer the statement is
WEIGHING = Weighing((1, 0, 3, 2, 1, 0, 0, -5), (0, 1, 3, 2, 1, 0, 0, -5))
NEAR, FAR = Nearness(0.9, 1.0, 1.0, 1.0, 8), Nearness(0.55, 0.2, 0.0, 1.0, 8)
AGAINST = NliScores(0.05, 0.15, 0.8)
LIMITS = Thresholds.resolve(WEIGHED_OPTIONS)

probabilities = st.tuples(*[st.floats(0, 1)] * 3).filter(lambda p: sum(p) > 0.01)
coefficients = st.tuples(*[st.floats(-100, 100)] * len(FEATURES))
shares = st.floats(0, 1)
places = st.builds(Nearness, st.floats(-1, 1), shares, shares, shares, st.integers(0, 2000))


@given(probabilities, coefficients, coefficients, places)
def test_any_weighing_gives_a_distribution(
    raw: tuple[float, ...], support: tuple[float, ...], contradiction: tuple[float, ...], near: Nearness
) -> None:
    total = sum(raw)
    weighed = Weighing(support, contradiction).weigh(NliScores(*(p / total for p in raw)), near)
    assert sum(weighed.as_tuple()) == pytest.approx(1.0)


def test_a_far_statement_is_believed_less() -> None:
    near, far = WEIGHING.weigh(AGAINST, NEAR), WEIGHING.weigh(AGAINST, FAR)
    assert near.contradiction > 0.5 > far.contradiction
    assert far.neutral > 0.5


def test_the_rule_goes_by_weighed_probabilities_and_says_so() -> None:
    candidates = [
        Candidate(AGAINST, n.similarity, overlap=n.overlap, weighed=WEIGHING.weigh(AGAINST, n)) for n in (NEAR, FAR)
    ]
    believed, doubted = (judge(c, Stance.ASSERTED, LIMITS) for c in candidates)
    assert (believed.relation, believed.notes) == (Relation.CONTRADICTS, ())
    assert (doubted.relation, doubted.notes) == (Relation.NEUTRAL, ("weighed_down",))
    assert decide(candidates, LIMITS).verdict is Verdict.CONTRADICTED
    assert decide(candidates[1:], LIMITS).verdict is Verdict.NOT_ENOUGH_EVIDENCE


def test_nearness_counts_names_numbers_and_words() -> None:
    found = nearness("The Danube froze in 1929 and 1,954.", "In 1929 the river Danube froze.", 0.7)
    assert (found.names, found.numbers, found.words) == (1.0, 0.5, 7)
    assert nearness("Danube and Rhine froze.", "The Danube froze.", 0.7).names == 0.5
    assert nearness("it froze", "The Danube froze.", 0.7).names == 1.0


@given(st.text(max_size=200), st.text(max_size=200))
def test_nearness_reads_any_text(claim: str, premise: str) -> None:
    found = nearness(claim, premise, 0.5)
    assert all(math.isfinite(v) and 0 <= v <= 1 for v in (found.overlap, found.names, found.numbers))
    same = nearness(claim, claim, 1.0)
    assert (same.overlap, same.names, same.numbers) == (1.0, 1.0, 1.0)


def test_defaults_follow_the_weighing() -> None:
    assert default_options(WEIGHING, Switches()) is WEIGHED_OPTIONS
    assert default_options(WEIGHING, Switches().without(["weighing"])) is default_options(None, Switches())


GOOD = {"features": list(FEATURES), "support": [0.5] * 8, "contradiction": [1] * 8, "claims": 3600}


def test_a_file_is_read(tmp_path: Path) -> None:
    assert weighing_beside(tmp_path) is None
    (tmp_path / "weighing.json").write_text(json.dumps(GOOD))
    assert weighing_beside(tmp_path) == Weighing((0.5,) * 8, (1.0,) * 8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"features": ["words"]}, "features must be entailment"),
        ({"support": [1, 2]}, "support needs 8 numbers"),
        ({"contradiction": [math.nan] * 8}, "contradiction holds nan"),
        ({"contradiction": [1e9] * 8}, "within 100 of zero"),
        ({"support": ["1"] * 8}, "support holds '1'"),
        ({"support": "12345678"}, "support needs 8 numbers"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    (tmp_path / "weighing.json").write_text(json.dumps(GOOD | change))
    with pytest.raises(ModelUnusable, match=says):
        weighing_beside(tmp_path)
    with pytest.raises(ValueError, match=says):
        parse_weighing(GOOD | change)

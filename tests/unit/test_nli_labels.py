"""Outputs are found by the model's own label names."""

from __future__ import annotations

import pytest

from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.nli.labels import label_columns


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["entailment", "neutral", "contradiction"], (0, 1, 2)),
        (["contradiction", "entailment", "neutral"], (1, 2, 0)),
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], (2, 1, 0)),
        (["Entails", " neutral ", "contradicts"], (0, 1, 2)),
    ],
)
def test_order_follows_the_names(names: list[str], columns: tuple[int, int, int]) -> None:
    assert label_columns(dict(enumerate(names))) == columns


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["LABEL_0", "LABEL_1", "LABEL_2"], "LABEL_0, LABEL_1, LABEL_2"),
        (["entailment", "not_entailment"], "not_entailment"),
        (["entailment", "entailed", "contradiction"], "two outputs for entailment"),
        (["entailment", "neutral", "contradiction", "other"], "other"),
        ([f"LABEL_{i}" for i in range(1000)], "(1000 in all)"),
        ([], "needed are entailment"),
    ],
)
def test_other_labels_are_refused_by_name(names: list[str], told: str) -> None:
    with pytest.raises(ModelUnusable) as caught:
        label_columns(dict(enumerate(names)))
    assert told in caught.value.message
    assert len(caught.value.message) < 300

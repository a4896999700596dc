"""The main job on the real article, over the wire, with the built-in weights."""

from __future__ import annotations

import json
from pathlib import Path

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
CLAIMS = [json.loads(line) for line in (SEEDS / "claims.jsonl").read_text("utf-8").splitlines()]


def test_the_claims_are_balanced_and_point_into_the_article() -> None:
    paragraphs = [p for p in (SEEDS / "article.txt").read_text("utf-8").split("\n\n") if p.strip()]
    kinds = [claim["expected"] for claim in CLAIMS]
    assert len(CLAIMS) >= 30
    assert all(abs(kinds.count(kind) - len(CLAIMS) / 3) <= 2 for kind in set(kinds))
    assert all(c["paragraph"] is None or 1 <= c["paragraph"] <= len(paragraphs) for c in CLAIMS)

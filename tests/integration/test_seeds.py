"""The main job on the real article, over the wire, with the built-in weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import onrecord
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
CLAIMS = [json.loads(line) for line in (SEEDS / "claims.jsonl").read_text("utf-8").splitlines()]


def test_the_claims_are_balanced_and_point_into_the_article() -> None:
    paragraphs = [p for p in (SEEDS / "article.txt").read_text("utf-8").split("\n\n") if p.strip()]
    expected = [claim["expected"] for claim in CLAIMS]
    assert len(CLAIMS) >= 30
    assert {abs(expected.count(verdict) - len(CLAIMS) / 3) <= 2 for verdict in set(expected)} == {True}
    assert all(c["paragraph"] is None or 1 <= c["paragraph"] <= len(paragraphs) for c in CLAIMS)


@pytest.mark.model
async def test_every_sample_claim_gets_the_verdict_of_a_careful_reader() -> None:
    """A claim marked known_wrong must be wrong: when it comes right, the mark goes."""
    async with open_engine(ServerConfig(store=":memory:")) as engine:
        server, _ = build_server(BackendSlot(engine.backend), CallGuard(None))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            outcomes = await _check_all(f"127.0.0.1:{port}")
        finally:
            await server.stop(None)
    pairs = list(zip(CLAIMS, outcomes, strict=True))
    wrong = {c["id"]: o.verdict.value for c, o in pairs if o.verdict != c["expected"]}
    assert sorted(wrong) == sorted(c["id"] for c in CLAIMS if c.get("known_wrong")), wrong
    misled = [c["id"] for c, o in pairs if c["id"] not in wrong and not _cites_the_paragraph(c, o)]
    assert misled == [c["id"] for c in CLAIMS if c.get("known_wrong_evidence")]


async def _check_all(address: str) -> list[onrecord.CheckResult]:
    import asyncio

    def blocking() -> list[onrecord.CheckResult]:
        with onrecord.Client(address) as client:
            client.ingest((SEEDS / "article.txt").read_text("utf-8"))
            outcomes = client.check_batch([claim["claim"] for claim in CLAIMS])
        return [outcome for outcome in outcomes if isinstance(outcome, onrecord.CheckResult)]

    outcomes = await asyncio.to_thread(blocking)
    assert len(outcomes) == len(CLAIMS)
    return outcomes


def _cites_the_paragraph(claim: dict[str, Any], result: onrecord.CheckResult) -> bool:
    """Whether words that decide stand in the paragraph that a reader would point to, exactly as quoted."""
    if result.verdict not in ("SUPPORTED", "CONTRADICTED"):
        return True
    article = (SEEDS / "article.txt").read_text("utf-8")
    places = set()
    for item in result.evidence:
        span = item.statement.original_span
        assert span is not None
        assert article[span.start : span.end] == item.statement.original
        if item.relation != "NEUTRAL":
            places.add(article[: span.start].count("\n\n") + 1)
    return claim["paragraph"] in places

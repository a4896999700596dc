"""`onrecord replay`: what was checked before, again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import onrecord

Run = Callable[..., Any]
STATEMENT = "Russia opposes interference in the affairs of China."


@pytest.fixture
def stored(client: onrecord.Client, collection: str) -> str:
    """The name of the one statement there is."""
    said = onrecord.Statement(STATEMENT, speaker=onrecord.Speaker("Vladimir Putin"))
    return client.add_statement(said, collection=collection).name


def test_what_check_prints_is_replayed(
    at_server: Run, client: onrecord.Client, stored: str, collection: str, tmp_path: Path
) -> None:
    then = tmp_path / "then.json"
    asked = at_server("check", STATEMENT, "--speaker", "Putin", "--collection", collection, "--json")
    assert (asked.json["claim"], asked.json["speaker"]) == (STATEMENT, "Putin")
    then.write_text(asked.out)
    done = at_server("replay", str(then))  # in the collection of then
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("same     SUPPORTED")

    client.retract_statement(stored)
    done = at_server("replay", str(then), "--json", "--fail-on-change")
    assert (done.status, done.json["same"]) == (0, True)  # it speaks as it did then
    (change,) = done.json["changes"]
    assert (change["kind"], change["held"]) == ("RECORD", True)
    assert change["statements"] == [{"name": stored, "kind": "RETRACTED"}]

    done = at_server("replay", str(then), "--record-as-now", "--fail-on-change")
    assert done.status == 3
    assert done.out.startswith("CHANGED  SUPPORTED → NOT ENOUGH EVIDENCE (retracted)")
    assert f"retracted: {stored}" in " ".join(done.out.split())
    told = at_server("replay", str(then), "--record-as-now", "--json").json
    assert (told["then"]["verdict"], told["now"]["verdict"]) == ("SUPPORTED", "NOT_ENOUGH_EVIDENCE")
    assert told["result"]["reason"] == told["now"]["reason"] == "RETRACTED"


def test_what_batch_writes_is_replayed(at_server: Run, stored: str, collection: str, tmp_path: Path) -> None:
    claims, results = tmp_path / "claims.jsonl", tmp_path / "results.jsonl"
    lines = [{"claim": STATEMENT, "speaker": "Putin"}, {"claim": "The moon is made of rock."}, {"claim": 7}]
    claims.write_text("".join(json.dumps(line) + "\n" for line in lines))
    at_server("batch", str(claims), "-o", str(results), "--collection", collection)
    done = at_server("replay", str(results), "--json")
    assert (done.status, [line["line"] for line in done.jsons]) == (0, [1, 2])
    assert all(line["same"] for line in done.jsons)
    assert "1 lines with an error were left out" in done.err
    piped = at_server("replay", "-", stdin=results.read_bytes())
    assert piped.status == 0
    assert "2 replayed, 2 the same, 0 not" in piped.err


def test_what_cannot_be_replayed(at_server: Run, stored: str, collection: str, tmp_path: Path) -> None:
    asked = at_server("check", STATEMENT, "--collection", collection, "--json").json
    del asked["claim"]
    bare = tmp_path / "bare.jsonl"
    bare.write_text(json.dumps(asked) + "\n")
    done = at_server("replay", str(bare))
    assert (done.status, done.out) == (2, "")
    assert 'line 1: no "claim" beside the result; give it with --claim' in done.err
    assert at_server("replay", str(bare), "--claim", STATEMENT).status == 0
    bare.write_text('{"claim": "x"}\n')
    assert 'no result: it has no "verdict"' in at_server("replay", str(bare)).err
    done = at_server("replay", "results.csv")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "read from JSON lines" in done.err

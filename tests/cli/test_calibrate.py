"""`onrecord calibrate`, and what it makes, on the declared fake model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelled import EXAMPLE, pair_rows, write

Run = Callable[..., Any]


def test_a_calibration_of_another_model_is_noted(fake: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", [{"method": "temperature", "temperature": 2, "model_revision": "other"}])
    done = fake("eval", str(EXAMPLE / "pairs.jsonl"), "--calibration", file)
    assert done.status == 0
    assert done.err.startswith(f"onrecord: {file} was made for revision other")
    assert done.err.count("\n") == 1


def test_calibrate_writes_what_check_and_eval_use(fake: Run, run: Run, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.jsonl", pair_rows(20))
    two = write(tmp_path / "two.jsonl", [{"premise": "a", "hypothesis": "b", "label": "not_entailment"}])
    out = tmp_path / "mine.json"
    done = fake("calibrate", pairs, two, "-o", str(out), "--method", "vector", "--json")
    assert done.status == 0
    assert "two: not all three labels" in done.err
    report = done.json
    assert report["pair_count"] == 80
    assert report["methods"]["vector"]["nll"] < report["methods"]["none"]["nll"]
    assert report["sets"][0]["after"]["ece"] < report["sets"][0]["before"]["ece"]
    assert json.loads(out.read_text())["method"] == "vector"
    assert fake("calibrate", pairs, "-o", "-", "--method", "vector").json == json.loads(out.read_text())

    evaluated = fake("eval", pairs, "--calibration", str(out), "--json", "-").json
    assert evaluated["calibration"]["method"] == "vector"
    assert evaluated["three_way"]["calibrated"]["nll"]["value"] < evaluated["three_way"]["uncalibrated"]["nll"]["value"]

    statements = write(tmp_path / "s.jsonl", [{"text": "The shop is open."}])
    common = ("check", "The shop is open.", "--against", statements, "--model", "fake", "--encoder", "fake", "--json")
    plain, calibrated = run(*common), run(*common, "--calibration", str(out))
    assert calibrated.status == 0
    assert calibrated.json["confidence"] != plain.json["confidence"]


def test_calibrate_chooses_on_what_it_holds_out_and_says_so(fake: Run, tmp_path: Path) -> None:
    files = [write(tmp_path / f"set{i}.jsonl", pair_rows(20)) for i in range(3)]
    for hold_out in ("pairs", "sets"):
        out = tmp_path / f"{hold_out}.json"
        done = fake("calibrate", *files, "-o", str(out), "--hold-out", hold_out)
        assert done.status == 0
        assert "← chosen" in done.out
        assert out.exists()


def test_too_few_pairs_are_refused(fake: Run, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    done = fake("calibrate", write(tmp_path / "pairs.jsonl", pair_rows()), "-o", str(out))
    assert done.status == 2
    assert "50 at least" in done.err
    assert not out.exists()

"""`onrecord eval` on the declared fake model: figures, tables, pages."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelled import EXAMPLE, PAIRS, ROOT, pair_rows, write

Run = Callable[..., Any]


def test_pairs_give_the_figures_of_each_set_and_of_all(fake: Run, tmp_path: Path) -> None:
    three = write(tmp_path / "three.jsonl.gz", pair_rows())
    two = write(
        tmp_path / "two.jsonl",
        [{"premise": p, "hypothesis": h, "label": "entailment" if label == "entailment" else "not_entailment"}
         for p, h, label in PAIRS],
    )  # fmt: skip
    done = fake("eval", "--pairs", three, two, "--json", "-")
    assert (done.status, done.err) == (0, "")
    report = done.json
    assert [one["name"] for one in report["sets"]] == ["three", "two"]
    one, other = report["sets"]
    assert one["confusion"] == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert one["figures"]["accuracy"]["value"] == 0.75
    assert one["figures"]["false_contradiction"]["value"] == 0.5
    assert other["classes"] == ["entailment", "not_entailment"]
    assert other["figures"]["accuracy"]["value"] == 1.0
    assert report["mean"]["accuracy"]["value"] == 0.875
    assert report["three_way"]["pair_count"] == 4
    assert report["mistakes"][0]["hypothesis"] == "The shop has 4 rooms."
    table = fake("eval", three, two)
    assert re.search(r"^two \(two-way\) +4 +100\.0", table.out, re.MULTILINE)


def test_claims_are_checked_end_to_end(fake: Run) -> None:
    done = fake(
        "eval", "--claims", str(EXAMPLE / "claims.jsonl"), "--statements", str(EXAMPLE / "statements.jsonl"),
        "--encoder", "fake", "--ablation", "--sweep", "100", "--json", "-",
    )  # fmt: skip
    assert (done.status, done.err) == (0, "")
    report = done.json
    assert report["figures"]["accuracy"]["value"] == 1.0
    assert report["evidence_recall"]["at_8"]["value"] == 1.0
    assert report["evidence_recall"]["claim_count"] == 6
    assert [row["without"] for row in report["ablation"]]
    assert report["sweep"][0]["macro_f1"] == 1.0


def test_tables_lose_nothing_in_80_columns(fake: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    claims = fake(
        "eval", "--claims", str(EXAMPLE / "claims.jsonl"), "--statements", str(EXAMPLE / "statements.jsonl"),
        "--encoder", "fake", "--ablation", "--sweep", "100",
    ).out  # fmt: skip
    pairs = fake("eval", write(tmp_path / f"{'long_name_' * 4}.jsonl", pair_rows())).out
    assert max(map(len, [*claims.splitlines(), *pairs.splitlines()])) <= 80
    assert re.search(r"mends +spoils$", claims, re.MULTILINE)
    assert re.search(r"recall$", claims, re.MULTILINE)
    assert re.search(r"\(raw\) +Brier$", pairs, re.MULTILINE)


def test_a_part_of_the_rule_is_switched_off(fake: Run, tmp_path: Path) -> None:
    statements = write(tmp_path / "s.jsonl", [{"id": "a", "text": "The new shop is open on 4 May."}])
    claims = write(
        tmp_path / "c.jsonl", [{"claim": "The new shop is open on 15 May.", "label": "NOT_ENOUGH_EVIDENCE"}] * 2
    )
    common = ("eval", "--claims", claims, "--statements", statements, "--encoder", "fake", "--json", "-")
    whole = fake(*common, "--ablation").json
    part = whole["ablation"][0]["without"]
    less = fake(*common, "--without", part).json
    assert less["without"] == [part]
    row = next(row for row in whole["ablation"] if row["without"] == part)
    assert {name: figure["value"] for name, figure in less["figures"].items()}.items() <= row.items()
    wrong = fake(*common, "--without", "no_such_part")
    assert wrong.status == 2
    assert "no_such_part" in wrong.err
    assert part in wrong.err
    assert fake(*common, "--with", "unnamed_guard").json["including"] == ["unnamed_guard"]


def test_claims_see_the_record_as_it_stood_then(fake: Run, tmp_path: Path) -> None:
    said = {"id": "a", "text": "The new shop is open.", "stated_time": "2021-08-29"}
    statements = write(tmp_path / "s.jsonl", [said])
    claim = {"claim": "The new shop is open.", "gold": ["a"]}
    before = {**claim, "label": "NOT_ENOUGH_EVIDENCE", "as_of": "2021-08-28"}
    after = {**claim, "label": "SUPPORTED", "as_of": "2021-08-29"}
    claims = write(tmp_path / "c.jsonl", [before, after])
    done = fake("eval", "--claims", claims, "--statements", statements, "--encoder", "fake", "--json", "-")
    assert done.json["figures"]["accuracy"]["value"] == 1.0
    bad = write(tmp_path / "bad.jsonl", [{**before, "as_of": "yesterday"}])
    done = fake("eval", "--claims", bad, "--statements", statements, "--encoder", "fake")
    assert done.status == 2
    assert f'{bad}:1: "as_of"' in done.err


def test_a_document_can_be_the_record(fake: Run) -> None:
    done = fake(
        "eval", "--claims", str(ROOT / "seeds" / "claims.jsonl"), "--statements", str(ROOT / "seeds" / "article.txt"),
        "--encoder", "fake", "--json", "-",
    )  # fmt: skip
    assert done.status == 0
    assert done.json["claim_count"] == 43
    assert done.json["evidence_recall"] == {}  # nobody has said which statements decide


def test_documents_are_read_for_who_said_what(fake: Run) -> None:
    done = fake("eval", "--documents", str(EXAMPLE / "documents.jsonl"), "--json", "-")
    assert done.status == 0
    assert done.json["annotated_count"] == 4
    assert done.json["figures"]["content_recall"]["value"] == 1.0


@pytest.mark.parametrize(
    "mode",
    [
        [str(EXAMPLE / "pairs.jsonl")],
        ["--claims", str(EXAMPLE / "claims.jsonl"), "--statements", str(EXAMPLE / "statements.jsonl"),
         "--encoder", "fake", "--ablation"],
        ["--documents", str(EXAMPLE / "documents.jsonl")],
    ],
)  # fmt: skip
def test_the_page_holds_the_figures_and_nothing_from_elsewhere(fake: Run, tmp_path: Path, mode: list[str]) -> None:
    page, report = tmp_path / "report.html", tmp_path / "report.json"
    assert fake("eval", *mode, "--html", str(page), "--json", str(report)).status == 0
    html = page.read_text("utf-8")
    shown = json.loads(report.read_text("utf-8"))
    figures = shown["figures"] if "figures" in shown else shown["three_way"]["figures"]
    for name in {"accuracy", "macro_f1", "content_f1"} & figures.keys():
        low, high = figures[name]["interval"]
        assert f"{100 * figures[name]['value']:.1f} %" in html
        assert f"{100 * low:.1f} to {100 * high:.1f}" in html
    if mode[0] != "--documents":
        assert html.count("<svg") >= 2
        assert "istakes" in html
    assert not re.search(r"<script|<link|<img|https?://", html)


def test_text_from_the_data_cannot_be_markup(fake: Run, tmp_path: Path) -> None:
    rows = [{"premise": "The <b>shop</b> & sea.", "hypothesis": "<script>alert(1)</script>", "label": "entailment"}]
    page = tmp_path / "report.html"
    assert fake("eval", write(tmp_path / "<i>.jsonl", rows), "--html", str(page)).status == 0
    html = page.read_text("utf-8")
    assert "<script" not in html
    assert "<i>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_second_run_takes_its_scores_from_the_first(fake: Run, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.jsonl", pair_rows())
    first = fake("eval", pairs, "--json", "-").json
    (kept,) = (tmp_path / "cache").glob("pairs-*.bin")
    size = kept.stat().st_size
    second = fake("eval", pairs, "--json", "-").json
    assert kept.stat().st_size == size
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(
    tmp_path: Path, child_environment: Callable[..., dict[str, str]]
) -> None:
    pairs = write(tmp_path / "pairs.jsonl", [
        {"premise": f"The shop has {i} rooms.", "hypothesis": "The shop is open.", "label": "neutral"}
        for i in range(3_000)
    ])  # fmt: skip
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\n"
        "from onrecord_server.nli.fake import FakeScorer\n"
        "score = FakeScorer.score\n"
        "FakeScorer.score = lambda self, batch: (time.sleep(0.2), score(self, batch))[1]\n"
        "from onrecord.cli import main\n"
        "main()\n"
    )
    cache = tmp_path / "cache"
    process = subprocess.Popen(
        [sys.executable, str(slow), "eval", pairs, "--model", "fake", "--cache", str(cache)],
        env=child_environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not any(f.stat().st_size for f in cache.glob("pairs-*.bin")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)  # another process: there is nothing to wait on but its file
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"kept in {cache}; the same command goes on from there" in err

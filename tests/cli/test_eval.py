"""`onrecord eval` and `onrecord calibrate` on the declared fake model."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "seeds" / "eval"
PAIRS = [
    ("The shop is open.", "The shop is open.", "entailment"),
    ("The shop is open.", "The shop is not open.", "contradiction"),
    ("The shop is open.", "The sea is deep.", "neutral"),
    ("The shop has 3 rooms.", "The shop has 4 rooms.", "neutral"),
]


@pytest.fixture
def fake(run: Run, tmp_path: Path) -> Run:
    """Runs a command with the fake model, keeping scores in a folder of the test's own."""

    def fake(command: str, *arguments: str, **options: Any) -> Any:
        return run(command, *arguments, "--model", "fake", "--cache", str(tmp_path / "cache"), **options)

    return fake


def write(path: Path, rows: list[Any]) -> str:
    """JSON lines; a row that is a string stands as it is."""
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def pair_rows(times: int = 1) -> list[dict[str, str]]:
    return [{"premise": p, "hypothesis": h, "label": label} for _ in range(times) for p, h, label in PAIRS]


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


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('{"premise": "a"', "not JSON"),
        ({"premise": "a", "label": "neutral"}, '"hypothesis" is missing'),
        ({"premise": "a", "hypothesis": 3, "label": "neutral"}, '"hypothesis" is not a string'),
        ({"premise": "a", "hypothesis": " ", "label": "neutral"}, '"hypothesis" is empty'),
        ({"premise": "a", "hypothesis": "b", "label": "maybe"}, "\"label\" is 'maybe'"),
    ],
)
def test_a_bad_line_is_named_and_can_be_passed_over(fake: Run, tmp_path: Path, row: Any, words: str) -> None:
    path = write(tmp_path / "pairs.jsonl", [*pair_rows(), "", row, row])
    done = fake("eval", path)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert f"{path}:6: " in done.err
    assert words in done.err
    assert "1 more" in done.err
    passed = fake("eval", path, "--skip-bad", "--json", "-")
    assert passed.status == 0
    assert passed.err.count("passed over") == 2
    assert passed.json["passed_over_lines"] == 2
    assert passed.json["sets"][0]["pair_count"] == 4


@pytest.mark.parametrize(
    ("kind", "row", "words"),
    [
        ("claims", {"claim": "The shop is open.", "label": "TRUE"}, '"label"'),
        ("claims", {"claim": "The shop is open."}, '"expected" is missing'),
        ("claims", {"claim": "x" * 3000, "label": "SUPPORTED"}, '"claim" has 3,000'),
        ("statements", {"id": "a"}, '"text" is missing'),
        ("statements", {"id": "a", "text": "b", "stance": "SUNG"}, '"stance"'),
        ("documents", {"text": "The shop."}, '"attributions" is missing'),
        ("documents", {"text": "x" * 200_001, "attributions": []}, '"text" has 200,001 code points'),
        (
            "documents",
            {"text": "The shop.", "attributions": [{"source": [], "cue": [], "content": [[0, 99]]}]},
            '"attributions[0].content[0]"',
        ),
    ],
)
def test_bad_lines_of_the_other_modes_are_named(fake: Run, tmp_path: Path, kind: str, row: Any, words: str) -> None:
    bad = write(tmp_path / "bad.jsonl", [row])
    good = {"claims": str(EXAMPLE / "claims.jsonl"), "statements": str(EXAMPLE / "statements.jsonl")}
    mode = ("--documents", bad)
    if kind != "documents":
        files = {**good, kind: bad}
        mode = ("--claims", files["claims"], "--statements", files["statements"], "--encoder", "fake")  # type: ignore[assignment]
    done = fake("eval", *mode)
    assert done.status == 2
    assert f"{bad}:1: " in done.err
    assert words in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["pairs.jsonl", "--documents", "d.jsonl"],
        ["--claims", "c.jsonl"],
        ["--statements", "s.jsonl", "pairs.jsonl"],
        ["pairs.jsonl", "--ablation"],
        ["pairs.jsonl", "--no-cache"],  # the test gives --cache, too
        ["/no/such/pairs.jsonl"],
        ["pairs.jsonl", "--html", "/no/such/folder/page.html"],
        ["pairs.jsonl", "--html", "-"],
        ["pairs.jsonl", "--json", ""],
        ["pairs.jsonl", "--html", "same.txt", "--json", "./same.txt"],
        ["--claims", "c.jsonl", "--statements", "s.jsonl", "--sweep", "nan"],
    ],
)
def test_wrong_use_is_one_line_and_status_2(fake: Run, tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path / "pairs.jsonl", pair_rows())
    done = fake("eval", *(str(tmp_path / a) if a == "pairs.jsonl" else a for a in arguments))
    assert done.status == 2
    assert done.err.count("\n") == 1


def test_a_report_never_takes_the_place_of_data(fake: Run, tmp_path: Path) -> None:
    pairs, other = (write(tmp_path / name, pair_rows(20)) for name in ("pairs.jsonl", "other.jsonl"))
    text = write(tmp_path / "plain.json", pair_rows(20))
    before = {file: Path(file).read_text() for file in (pairs, other, text)}
    for arguments in (
        ("eval", "--json", other, pairs),  # meant as a flag, it swallows the first file
        ("eval", text, "--html", text),
        ("eval", pairs, "--json", f"{tmp_path}/./pairs.jsonl"),
        ("calibrate", text, "-o", text),
        ("calibrate", pairs, "-o", other),
    ):
        done = fake(*arguments)
        assert (done.status, "overwritten" in done.err) == (2, True)
    assert before == {file: Path(file).read_text() for file in before}


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("pairs", {"premise": "a\ud800", "hypothesis": "b", "label": "neutral"}),
        ("pairs", {"premise": "a", "hypothesis": "\udfffb", "label": "neutral"}),
        ("claims", {"claim": "The shop \ud800", "label": "SUPPORTED"}),
        ("claims", {"claim": "The shop is open.", "label": "SUPPORTED", "gold": ["\ud800"]}),
        ("statements", {"id": "\ud800", "text": "The shop is open."}),
        ("documents", {"id": "\ud800", "text": "The shop.", "attributions": []}),
        ("documents", {"text": "The shop\ud800.", "attributions": []}),
    ],
)
def test_what_is_no_unicode_is_a_bad_line(fake: Run, tmp_path: Path, kind: str, row: Any) -> None:
    bad = write(tmp_path / "bad.jsonl", [row])
    good = {"claims": str(EXAMPLE / "claims.jsonl"), "statements": str(EXAMPLE / "statements.jsonl")}
    mode = {"pairs": [bad], "documents": ["--documents", bad]}.get(kind)
    if mode is None:
        files = {**good, kind: bad}
        mode = ["--claims", files["claims"], "--statements", files["statements"], "--encoder", "fake"]
    done = fake("eval", *mode, "--html", str(tmp_path / "page.html"))
    assert done.status == 2
    assert f"{bad}:1: " in done.err
    assert "surrogate" in done.err


@pytest.mark.parametrize("text", ["", "x " * 100_001, "The shop\0."])
def test_a_document_that_the_server_would_refuse_is_no_record(fake: Run, tmp_path: Path, text: str) -> None:
    document = tmp_path / "d.txt"
    document.write_text(text)
    done = fake("eval", "--claims", str(EXAMPLE / "claims.jsonl"), "--statements", str(document), "--encoder", "fake")
    assert done.status == 2
    assert f"{document}: the text " in done.err


def test_a_file_whose_name_is_no_unicode_is_measured(fake: Run, tmp_path: Path) -> None:
    pairs = write(tmp_path / os.fsdecode(b"a\xff.jsonl"), pair_rows(20))
    page = tmp_path / "page.html"
    done = fake("eval", pairs, "--html", str(page), "--json", "-")
    assert (done.status, done.err) == (0, "")
    assert done.json["sets"][0]["name"] == "a\N{REPLACEMENT CHARACTER}"
    assert "a\N{REPLACEMENT CHARACTER}" in page.read_text()


def test_a_packed_file_that_is_damaged_is_named(fake: Run, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(pair_rows()[0]).encode() * 50)[:-20])
    done = fake("eval", str(path))
    assert done.status == 2
    assert "cannot be unpacked" in done.err


def test_a_model_that_is_none_is_status_1(run: Run, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.jsonl", pair_rows())
    done = run("eval", pairs, "--model", "/no/such/model", "--cache", str(tmp_path / "cache"))
    assert done.status == 1
    assert "/no/such/model" in done.err


@pytest.mark.parametrize("mode", ["pairs", "claims"])
def test_a_model_that_fails_is_one_line_and_status_1(
    fake: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    from onrecord_server.domain.errors import ModelError
    from onrecord_server.nli.fake import FakeScorer

    def fail(self: FakeScorer, batch: object) -> None:
        raise ModelError("out of luck")

    monkeypatch.setattr(FakeScorer, "score", fail)
    arguments = [str(EXAMPLE / "pairs.jsonl")]
    if mode == "claims":
        arguments = ["--claims", str(EXAMPLE / "claims.jsonl"), "--statements", str(EXAMPLE / "statements.jsonl")]
    done = fake("eval", *arguments, "--encoder", "fake")
    assert (done.status, done.err) == (1, "onrecord: out of luck\n")


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

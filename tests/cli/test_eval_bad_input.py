"""`onrecord eval` and `onrecord calibrate` given what cannot be measured, or used in the wrong way."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelled import EXAMPLE, pair_rows, write

Run = Callable[..., Any]


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

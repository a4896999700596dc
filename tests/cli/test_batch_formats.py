"""`onrecord batch` in CSV and Parquet, and `--resume`."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import onrecord

Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[bytes]]
STATEMENT = "Russia opposes interference in the affairs of China."
RESULT = [
    "verdict", "confidence", "reason", "explanation", "supporting_speakers", "contradicting_speakers",
    "evidence_relation", "evidence_speaker", "evidence_date", "evidence_quote", "evidence_statement",
    "evidence_similarity", "model", "error_code", "error_reason", "error_message",
]  # fmt: skip


@pytest.fixture
def stored(client: onrecord.Client, collection: str) -> str:
    said = onrecord.Statement(
        STATEMENT, speaker=onrecord.Speaker("Vladimir Putin"), stated_time=datetime(2021, 8, 29, tzinfo=UTC)
    )
    client.add_statement(said, collection=collection)
    return collection


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_csv_comes_out_as_csv(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims, out = tmp_path / "claims.csv", tmp_path / "out.csv"
    claims.write_bytes(
        b'\xef\xbb\xbfid,claim,speaker,verdict\r\n1,"Russia opposes interference in the affairs\r\nof China.",,true\r\n'
        b'2,"He said ""no"", twice",Putin,false\r\n'
    )
    done = at_server("batch", str(claims), "-o", str(out), "--collection", stored)
    assert (done.status, done.out) == (0, "")
    first, second = table(out)
    assert list(first) == ["id", "claim", "speaker", "input_verdict", *RESULT]
    assert (first["id"], first["input_verdict"], first["verdict"]) == ("1", "true", "SUPPORTED")
    assert first["claim"] == "Russia opposes interference in the affairs\r\nof China."
    assert (first["evidence_relation"], first["evidence_speaker"]) == ("SUPPORTS", "Vladimir Putin")
    assert (first["evidence_date"], first["evidence_quote"]) == ("2021-08-29", STATEMENT)
    assert first["supporting_speakers"] == "Vladimir Putin"
    assert first["evidence_statement"].startswith(f"collections/{stored}/statements/")
    assert 0 < float(first["confidence"]) <= 1
    assert first["model"].startswith("fake@")
    assert (second["claim"], second["verdict"]) == ('He said "no", twice', "NOT_ENOUGH_EVIDENCE")
    assert second["error_code"] == ""


def test_rows_of_csv_that_are_none_fail_alone(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims, out = tmp_path / "claims.csv", tmp_path / "out.csv"
    claims.write_bytes(
        b"claim,speaker\n" + STATEMENT.encode() + b",\ntoo,many,cells\n\nonly one\ncaf\xe9,\n,Putin\n"
        b'a "stray" quote"",\nx,"' + STATEMENT.encode() + b"\n"
    )
    done = at_server("batch", str(claims), "-o", str(out), "--collection", stored)
    assert done.status == 2
    rows = table(out)
    assert [row["verdict"] for row in rows] == ["SUPPORTED", "", "", "", "", "NOT_ENOUGH_EVIDENCE", ""]
    reasons = [row["error_reason"] for row in rows if row["error_reason"]]
    assert reasons == ["BAD_LINE", "BAD_LINE", "BAD_LINE", "INVALID_FIELDS", "BAD_LINE"]
    assert rows[1]["claim"] == "too,many,cells"  # what cannot be read stands in the claim's place
    assert rows[3]["claim"] == "caf\\xe9,"
    assert "line 3: has 3 cells, but there are 2 columns" in done.err
    assert "line 6: not UTF-8" in done.err
    assert "line 9: not CSV: a quote is opened and never closed" in done.err
    assert at_server("batch", str(claims), "--collection", stored, "--ignore-bad").status == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'no column "claim" in its first line'),
        ("text,speaker\nx,\n", 'no column "claim" in its first line; there are text, speaker'),
        ("claim,claim\nx,y\n", "two columns have the name 'claim'"),
        ('claim,"a\nb', "not CSV"),
    ],
)
def test_csv_that_cannot_be_used(run: Run, tmp_path: Path, text: str, said: str) -> None:
    claims = tmp_path / "claims.csv"
    claims.write_text(text)
    done = run("batch", str(claims), "-o", str(tmp_path / "out.csv"), "--target", "127.0.0.1:1")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert not (tmp_path / "out.csv").exists()


def test_format_says_what_a_pipe_holds(at_server: Run, stored: str) -> None:
    done = at_server("batch", "-", "--format", "csv", "--collection", stored, stdin=f"claim\n{STATEMENT}\n".encode())
    (row,) = csv.DictReader(io.StringIO(done.out))
    assert (done.status, row["verdict"]) == (0, "SUPPORTED")
    # the name tells, where it does
    assert json.loads(at_server("batch", "-", "--collection", stored, stdin=b'{"claim": "x"}').out)["claim"] == "x"


def test_formats_turn_into_one_another(at_server: Run, stored: str, tmp_path: Path) -> None:
    lines = tmp_path / "claims.jsonl"
    lines.write_text(json.dumps({"claim": STATEMENT, "speaker": "Putin", "n": 1, "label": {"a": [1]}}) + "\nno json\n")
    out = tmp_path / "out.csv"
    assert at_server("batch", str(lines), "-o", str(out), "--collection", stored).status == 2
    first, second = table(out)
    assert list(first) == ["claim", "speaker", "as_of", "input", *RESULT]
    assert json.loads(first["input"]) == {"n": 1, "label": {"a": [1]}}
    assert (second["claim"], second["error_reason"]) == ("no json", "BAD_LINE")
    back = tmp_path / "back.jsonl"
    at_server("batch", str(out), "-o", str(back), "--collection", stored)
    again = [json.loads(line) for line in back.read_text().splitlines()]
    assert (again[0]["claim"], again[0]["verdict"]) == (STATEMENT, "SUPPORTED")
    assert not {key for key in again[0] if key.startswith(("evidence_", "error_", "input_"))}  # of the verdict before
    parquet = tmp_path / "out.parquet"
    at_server("batch", str(lines), "-o", str(parquet), "--collection", stored)
    assert pq.read_table(parquet).to_pylist()[1]["claim"] == "no json"
    # an output that is checked again has its results replaced
    twice = tmp_path / "twice.csv"
    at_server("batch", str(out), "-o", str(twice), "--collection", stored)
    assert list(table(twice)[0]) == list(first)


def test_parquet_keeps_types_and_carries_the_whole_result(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims, out = tmp_path / "claims.parquet", tmp_path / "out.parquet"
    moment = datetime(2020, 1, 1, 12)
    given = pa.table({
        "claim": [STATEMENT, STATEMENT, None, "x"],
        "as_of": pa.array([None, date(2021, 8, 29), None, date(2020, 1, 1)], pa.date32()),
        "n": pa.array([1, 2, 3, 4], pa.int16()),
        "when": pa.array([moment] * 4, pa.timestamp("ms")),
    })  # fmt: skip
    pq.write_table(given, claims)
    done = at_server("batch", str(claims), "-o", str(out), "--collection", stored, "--json")
    assert (done.status, done.json["checked_count"], done.json["failed_count"]) == (2, 3, 1)
    assert "row 3: no" in done.err
    made = pq.read_table(out)
    assert made.schema.names == [*given.schema.names, *RESULT, "result"]
    assert [made.schema.field(name).type for name in given.schema.names] == given.schema.types
    rows = made.to_pylist()
    assert [row["n"] for row in rows] == [1, 2, 3, 4]
    assert rows[1]["verdict"] == "SUPPORTED"
    assert rows[1]["supporting_speakers"] == ["Vladimir Putin"]
    whole = json.loads(rows[1]["result"])
    assert whole["provenance"]["as_of"] == "2021-08-29T23:59:59.999999Z"
    assert whole["verdict"] == rows[1]["verdict"]
    assert (rows[2]["verdict"], rows[2]["error_reason"]) == (None, "BAD_LINE")
    assert sorted(os.listdir(tmp_path)) == ["claims.parquet", "out.parquet"]


def test_parquet_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    claims = tmp_path / "claims.parquet"
    where = ("--target", "127.0.0.1:1")
    for data, said in ((b"", "is empty"), (b"no parquet at all", "no Parquet file that can be read")):
        claims.write_bytes(data)
        done = run("batch", str(claims), *where)
        assert (done.status, done.err.count("\n"), said in done.err) == (2, 1, True)
    pq.write_table(pa.table({"text": ["x"]}), claims)
    assert 'no column "claim"; there are text' in run("batch", str(claims), *where).err
    done = run("batch", "-", "--format", "parquet", *where)
    assert (done.status, "not from a pipe" in done.err) == (2, True)


def test_without_pyarrow_one_line_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    claims = tmp_path / "claims.csv"
    claims.write_text("claim\nx\n")
    done = run("batch", str(claims), "-o", str(tmp_path / "out.parquet"))
    assert (done.status, done.err.count("\n"), "pip install '.[parquet]'" in done.err) == (1, 1, True)


def claims_file(folder: Path, kind: str, count: int) -> Path:
    path = folder / f"claims.{kind}"
    texts = [f"{STATEMENT} {number}" for number in range(count)]
    if kind == "parquet":
        pq.write_table(pa.table({"claim": texts, "n": range(count)}), path)
    elif kind == "csv":
        path.write_text("claim,n\n" + "".join(f'"{text}\nso it says",{n}\n' for n, text in enumerate(texts)))
    else:
        path.write_text("".join(json.dumps({"claim": text, "n": n}) + "\n" for n, text in enumerate(texts)))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return list(table(path)) if path.suffix == ".csv" else [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_killed_work_is_resumed_without_loss_or_repetition(
    at_server: Run, spawn: Spawn, server: str, stored: str, tmp_path: Path, kind: str
) -> None:
    claims, out, whole = claims_file(tmp_path, kind, 400), tmp_path / f"out.{kind}", tmp_path / f"whole.{kind}"
    where = ("--collection", stored)
    at_server("batch", str(claims), "-o", str(whole), *where)
    place = out if kind != "parquet" else tmp_path / "out.parquet.part.jsonl"
    process = spawn("batch", str(claims), "-o", str(out), "--target", server, *where, stderr=subprocess.PIPE)
    while not place.exists() or place.read_bytes().count(b"\n") < 64:
        assert process.poll() is None
        time.sleep(0.002)  # it is to be killed in the middle
    process.kill()
    process.communicate()
    left = place.read_bytes()
    place.write_bytes(left[:-7] if left.endswith(b"\n") else left)  # as if the disk had got less of it
    done = at_server("batch", str(claims), "-o", str(out), *where, "--resume", "--json")
    assert done.status == 0
    assert "the last line was torn" in done.err
    assert done.json["checked_count"] == 400  # those of before are counted, too
    made, expected = rows_of(out), rows_of(whole)
    assert [row["n"] for row in made] == [row["n"] for row in expected]
    assert [row["verdict"] for row in made] == [row["verdict"] for row in expected]
    assert not (tmp_path / "out.parquet.part.jsonl").exists()


def test_finished_work_has_nothing_to_resume(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims, out = claims_file(tmp_path, "jsonl", 5), tmp_path / "out.jsonl"
    command = (
        "batch",
        str(claims),
        "-o",
        str(out),
        "--collection",
        stored,
        "--resume",
        "--fail-on",
        "not-enough-evidence",
    )
    assert at_server(*command).status == 3  # nothing there: begun anew
    before = out.read_bytes()
    done = at_server(*command)
    assert (done.status, out.read_bytes()) == (3, before)  # verdicts of before count
    with claims.open("a") as stream:
        stream.write(json.dumps({"claim": STATEMENT}) + "\n")
    assert at_server(*command).status == 3
    assert out.read_bytes().startswith(before)
    assert len(rows_of(out)) == 6


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_results_of_other_claims_are_not_resumed(at_server: Run, stored: str, tmp_path: Path, kind: str) -> None:
    claims, out = claims_file(tmp_path, kind, 5), tmp_path / f"out.{kind}"
    where = ("--collection", stored)
    at_server("batch", str(claims), "-o", str(out), *where)
    before = out.read_bytes()
    text = claims.read_text()
    for changed, said in (
        (text.replace("China. 3", "China. 33"), "does not belong to line"),
        ("".join(text.splitlines(keepends=True)[:-2]), "belongs to other claims"),
    ):
        claims.write_text(changed)
        done = at_server("batch", str(claims), "-o", str(out), *where, "--resume")
        assert (done.status, done.err.count("\n"), said in done.err) == (2, 1, True)
    out.write_text("some text of mine\n")
    done = at_server("batch", str(claims), "-o", str(out), *where, "--resume")
    assert (done.status, out.read_text()) == (2, "some text of mine\n")
    out.write_bytes(before)
    assert at_server("batch", str(claims), "--resume").status == 2  # stdout has no past


def test_another_model_is_told(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims, out = claims_file(tmp_path, "jsonl", 3), tmp_path / "out.jsonl"
    at_server("batch", str(claims), "-o", str(out), "--collection", stored)
    lines = rows_of(out)[:2]
    for line in lines:
        line["provenance"]["model_id"] = "another"
    out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = at_server("batch", str(claims), "-o", str(out), "--collection", stored, "--resume")
    assert (done.status, len(rows_of(out))) == (0, 3)
    assert "what was there is of the model another@" in done.err


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_interrupt_keeps_what_is_done_in_any_format(
    at_server: Run, spawn: Spawn, server: str, stored: str, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"out.{kind}"
    place = out if kind == "csv" else Path(f"{out}.part.jsonl")
    process = spawn(
        "batch", "-", "-o", str(out), "--target", server, "--collection", stored,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    given = b"".join(json.dumps({"claim": f"{STATEMENT} {i}"}).encode() + b"\n" for i in range(40))
    process.stdin.write(given)
    process.stdin.flush()
    while not place.exists() or place.read_bytes().count(b"\n") < 32 + (kind == "csv"):
        assert process.poll() is None
        time.sleep(0.02)  # another process: there is nothing to wait on but its file
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=90)
    assert process.returncode == 130
    done = place.read_bytes().count(b"\n") - (kind == "csv")
    assert told.decode() == f"onrecord: interrupted; {done} lines are done and in {place}; --resume goes on\n"
    done = at_server("batch", "-", "-o", str(out), "--collection", stored, "--resume", stdin=given)
    assert done.status == 0
    assert [row["claim"] for row in rows_of(out)] == [f"{STATEMENT} {i}" for i in range(40)]

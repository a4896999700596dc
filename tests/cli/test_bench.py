"""`onrecord bench` against a real server process with the declared fake model."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[bytes]]
FAKE = ("--model", "fake", "--encoder", "fake")
SHORT = ("--duration", "0.3", "--warmup", "0.05")
CLIENT_ONLY = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "transformers", "onrecord_server", "onrecord_models"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
from onrecord.cli import main
main(sys.argv[1:])
"""


def write(path: Path, *rows: object) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return str(path)


def test_a_closed_loop_of_every_kind(at_server: Run, tmp_path: Path) -> None:
    claims = write(tmp_path / "claims.jsonl", {"claim": "The bridge is open."}, "bad", {"claim": "The sea is deep."})
    done = at_server(
        "bench", "--claims", claims, "--concurrency", "4", "--mix", "check,batch,stream,pairs,health", "--size", "3",
        "--warmup", "0.1", "--duration", "0.8", "--json",
    )  # fmt: skip
    assert done.status == 0
    assert "line 2: not JSON" in done.err
    report = done.json
    (row,) = report["rows"]
    assert row["load"] == {"loop": "closed", "concurrency": 4}
    assert row["seconds"] == 0.8
    assert sorted(row["calls"]) == ["batch", "check", "health", "pairs", "stream"]
    for kind, items in (("batch", 3), ("check", 1), ("health", 1), ("pairs", 3), ("stream", 3)):
        got = row["calls"][kind]
        assert got["codes"] == {"OK": got["sent_count"]}, kind
        assert got["good_share"]["value"] == 1.0
        assert got["items_per_second"] == pytest.approx(items * got["good_per_second"])
        times = got["latency_ms"]
        assert times["count"] == got["ok_count"]
        assert 0 < times["p50"]["value"] <= times["p90"]["value"] <= times["p99"]["value"] <= times["max"]
    server = row["calls"]["check"]["server_ms"]
    assert sorted(server) == ["inference", "queue", "retrieval", "total"]
    assert server["total"]["max"] <= row["calls"]["check"]["latency_ms"]["max"]
    assert row["generator"]["loop_delay_ms"]["p50"] >= 0
    assert report["server"]["fake"] is True
    assert report["data"]["claims"] == claims


def test_an_open_loop_sends_what_is_due(at_server: Run) -> None:
    done = at_server(
        "bench", "--rate", "50", "--arrivals", "constant", "--deadline", "20", "--mix", "health", *SHORT, "--json"
    )
    (row,) = done.json["rows"]
    got = row["calls"]["health"]
    assert row["load"] == {"loop": "open", "rate": 50.0}
    assert 14 <= got["sent_count"] + got["unsent_count"] <= 16
    assert row["generator"]["send_delay_ms"]["p50"] >= 0


def test_claims_against_a_collection_that_does_not_exist(at_server: Run) -> None:
    asked = ("bench", "--collection", "no-such", "--concurrency", "1", *SHORT, "--json")
    done = at_server(*asked)
    assert (done.status, "there is no collection no-such;" in done.err) == (0, True)
    assert "there is no collection" not in at_server(*asked, "--mix", "pairs").err  # which reads none


def test_refusals_are_counted_by_their_reason_and_not_tried_again(at_server: Run) -> None:
    done = at_server("bench", "--collection", "No Such", "--concurrency", "1", *SHORT, "--json")
    assert done.status == 1  # nothing was answered
    (row,) = done.json["rows"]
    got = row["calls"]["check"]
    assert list(got["codes"]) == ["INVALID_ARGUMENT INVALID_FIELDS"]
    assert got["sent_count"] <= 7  # a refused caller pauses
    assert got["latency_ms"] is None
    assert got["failure_latency_ms"]["count"] == got["sent_count"]


def test_items_of_a_batch_fail_by_their_reason(at_server: Run, tmp_path: Path) -> None:
    claims = write(tmp_path / "claims.jsonl", {"claim": "The bridge is open."}, {"claim": "x" * 2_001})
    done = at_server(
        "bench", "--claims", claims, "--mix", "batch", "--size", "2", "--concurrency", "1", *SHORT, "--json"
    )
    got = done.json["rows"][0]["calls"]["batch"]
    assert got["failed_items"] == {"INVALID_ARGUMENT INVALID_FIELDS": got["ok_count"]}
    assert got["items_per_second"] == pytest.approx(got["good_per_second"])


def test_a_stream_runs_beside_the_calls(at_server: Run) -> None:
    done = at_server("bench", "--with-stream", "--concurrency", "1", *SHORT, "--json")
    (row,) = done.json["rows"]
    assert list(row["stream"]["codes"]) == ["OK"]
    assert row["stream"]["claims_per_second"] > 0
    assert list(row["calls"]) == ["check"]
    assert done.json["plan"]["with_stream"] is True


def test_a_stream_that_is_refused_says_so(at_server: Run) -> None:
    asked = ("--collection", "No Such", "--concurrency", "1", "--with-stream", *SHORT, "--json")
    (row,) = at_server("bench", *asked, "--mix", "health").json["rows"]
    assert list(row["stream"]["codes"]) == ["INVALID_ARGUMENT INVALID_FIELDS"]


def test_callers_that_leave_are_counted_apart(at_server: Run) -> None:
    done = at_server("bench", "--concurrency", "2", "--abandon", "1", "--abandon-after", "0.0001", *SHORT, "--json")
    got = done.json["rows"][0]["calls"]["check"]
    assert got["abandoned_count"] == got["codes"]["ABANDONED"] > 0
    assert got["failure_latency_ms"] is None


def test_a_server_of_its_own_a_search_a_sweep_and_a_page(run: Run, tmp_path: Path) -> None:
    said = write(tmp_path / "said.jsonl", {"text": "The bridge is open."}, {"text": "The sea is deep."})
    out, page = tmp_path / "report.json", tmp_path / "report.html"
    done = run(
        "bench", "--serve", *FAKE, "--serve-options", "--cache-pairs 0", "--statements", said, "--sweep", "0.5x,4",
        "--mix", "check,pairs", *SHORT, "-o", str(out), "--html", str(page),
    )  # fmt: skip
    assert done.status == 0
    report = json.loads(out.read_text("utf-8"))
    assert report["server"]["statement_count"] == 2
    assert report["data"]["statements"] == said
    assert report["data"]["claims"] == "synthetic, seed 1"
    assert report["data"]["serve_options"] == ["--cache-pairs", "0"]
    assert report["plan"]["deadline_seconds"] == 1.0
    found = report["capacity"]
    assert found["saturated_per_second"] > 0
    assert [row["load"]["rate"] for row in report["rows"]] == [found["saturated_per_second"] / 2, 4.0]
    assert f"highest rate {found['saturated_per_second']:.2f}/s" in done.out
    assert "synthetic" in done.out
    html = page.read_text("utf-8")
    assert html.count("<svg") == 4
    assert "<script" not in html
    assert html.count("</svg>") == html.count("<svg")


def test_texts_differ_unless_they_are_to_be_repeated(at_server: Run, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.jsonl", {"premise": "The sea is deep.", "hypothesis": "The sea is deep."})
    asked = ("bench", "--pairs", pairs, "--mix", "pairs", "--size", "1", "--concurrency", "1", *SHORT, "--json")
    assert at_server(*asked).json["data"]["marked"] is True
    assert at_server(*asked, "--repeat").json["data"]["marked"] is False


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--serve", "--target", "127.0.0.1:1"), "give --target or --serve, not both"),
        (("--statements", "x.jsonl"), "--statements is for --serve"),
        (("--model", "fake"), "--model is for --serve"),
        (("--rate", "1", "--concurrency", "1"), "give one of --rate, --concurrency and --sweep"),
        (("--mix", "checks"), "'checks' is no kind of call"),
        (("--sweep", "1,fast"), "'fast' is no number"),
        (("--claims", "no/such.jsonl"), "no/such.jsonl: No such file"),
        (("--html", "no/such/folder.html"), "is no folder that can be written to"),
        (("-o", "-"), "--output needs the name of a file"),
        (("--serve", "--serve-options", '"open'), "--serve-options"),
    ],
)
def test_wrong_use_is_told_before_anything_runs(run: Run, arguments: tuple[str, ...], why: str) -> None:
    done = run("bench", *arguments)
    assert (done.status, done.out) == (2, "")
    assert why in done.err


@pytest.mark.parametrize("target", ["127.0.0.1:1", "localhost:1"])
def test_where_nothing_listens_nobody_waits(run: Run, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr("onrecord.client.Client.wait_ready", lambda *_: pytest.fail("it waited"))
    done = run("bench", "--target", target)
    assert (done.status, done.out) == (1, "")
    assert f"no server at {target}: nothing listens there" in done.err


def test_a_port_that_listens_and_never_answers_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onrecord.cli.bench.READY_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run("bench", "--target", f"127.0.0.1:{silent.getsockname()[1]}")
    assert (done.status, done.out) == (1, "")
    assert "no server at" in done.err


def test_a_run_without_one_answer_fails_with_a_word(at_server: Run) -> None:
    done = at_server("bench", "--concurrency", "1", "--warmup", "0", "--duration", "0.000001")
    assert done.status == 1
    assert "nothing was answered" in done.err
    assert "give it more --duration" in done.err


def test_a_rate_of_few_calls_comes_with_its_interval(at_server: Run) -> None:
    done = at_server("bench", "--rate", "20", "--deadline", "20", "--mix", "health", *SHORT, "--json")
    (row,) = done.json["rows"]
    got = row["calls"]["health"]
    ends = got["good_per_second_interval"]
    assert ends["low"] < got["good_per_second"] < ends["high"]
    assert any(note.startswith(f"only {got['good_count']} good calls") for note in row["notes"])


def test_a_server_that_does_not_start_says_why(run: Run) -> None:
    done = run("bench", "--serve", *FAKE, "--serve-options", "--without no_such_part")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("onrecord: the server did not start: ")
    assert "no_such_part" in done.err


def test_ctrl_c_keeps_what_was_measured(spawn: Spawn, server: str, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    controller, terminal = os.openpty()
    process = spawn(
        "bench", "--target", server, "--sweep", "concurrency=1,2", "--warmup", "0", "--duration", "60", "-o", str(out),
        stdout=subprocess.DEVNULL, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while b"1/2: 1 caller" not in shown or b"calls/s" not in shown:
        shown += os.read(controller, 4_096)
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the other side has closed
        while part := os.read(controller, 4_096):
            shown += part
    assert process.wait(20) == 130
    os.close(controller)
    assert b"interrupted; what was measured until then is kept" in shown
    report = json.loads(out.read_text("utf-8"))
    (row,) = report["rows"]
    assert row["interrupted"]
    assert 0 < row["seconds"] < 60
    assert list(row["calls"]["check"]["codes"]) == ["OK"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to see a child's children")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_server_is_left_behind(spawn: Spawn, number: signal.Signals, status: int) -> None:
    controller, terminal = os.openpty()
    process = spawn(
        "bench", "--serve", *FAKE, "--mix", "health", "--warmup", "0", "--duration", "60",
        stdout=subprocess.DEVNULL, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while b"calls/s" not in shown:
        shown += os.read(controller, 4_096)
    (served,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    process.send_signal(number)
    with contextlib.suppress(OSError):  # the other side has closed
        while os.read(controller, 4_096):
            pass
    assert process.wait(40) == status
    os.close(controller)
    with pytest.raises(ProcessLookupError):
        os.kill(served, 0)


def test_it_needs_the_client_only(server: str, child_environment: Callable[..., dict[str, str]]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT_ONLY, "bench", "--target", server, "--mix", "health", *SHORT, "--json"],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"][0]["calls"]["health"]["ok_count"] > 0

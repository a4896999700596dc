"""`onrecord batch --resume` goes on only with the options that the output was begun with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
FAKE = ("--model", "fake", "--encoder", "fake")
STATEMENT = "Russia recognises Taiwan as part of China."
CLAIMS = 6


@pytest.fixture
def claims(tmp_path: Path) -> str:
    path = tmp_path / "claims.jsonl"
    path.write_text("".join(json.dumps({"claim": f"{STATEMENT} {i}"}) + "\n" for i in range(CLAIMS)))
    return str(path)


@pytest.fixture
def said(tmp_path: Path) -> Path:
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps({"text": STATEMENT, "speaker": "Jane Roe"}) + "\n")
    return path


def cut(out: Path) -> bytes:
    """As an interrupt leaves it: the first half of what it holds."""
    kept = b"".join(out.read_bytes().splitlines(keepends=True)[: CLAIMS // 2])
    out.write_bytes(kept)
    return kept


OTHER = [
    (("--max-evidence", "1"), "no --max-evidence", "--max-evidence 1"),
    (("--only-speaker", "Jane Roe"), "no --only-speaker", "--only-speaker Jane Roe"),
    (("--stated-from", "2021-08-29"), "no --stated-from", "--stated-from 2021-08-29T00:00:00Z"),
    (("--as-of", "2021-08-29"), "no --as-of", "--as-of 2021-08-29T23:59:59.999999Z"),
    (("--without", "topic"), "no --without", "--without topic"),
    (("--collection", "other"), "--collection default", "--collection other"),
]


@pytest.mark.parametrize(("option", "then", "now"), OTHER, ids=[option[0] for option, _, _ in OTHER])
def test_another_option_is_refused_and_named(
    run: Run, claims: str, said: Path, tmp_path: Path, option: tuple[str, ...], then: str, now: str
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("batch", claims, "-o", str(out), "--against", str(said), *FAKE)
    assert run(*command).status == 0
    kept = cut(out)
    done = run(*command, *option, "--resume")
    assert (done.status, done.err) == (
        2,
        f"onrecord: {out}: was begun with {then}, and now: {now}; give the same as then, or leave --resume out to "
        "begin anew\n",
    )
    assert out.read_bytes() == kept
    assert run(*command, "--resume", "--fail-on", "conflicting", "--json").status == 0  # these change no verdict
    assert len(out.read_bytes().splitlines()) == CLAIMS


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_other_files_and_changed_ones_are_refused(run: Run, claims: str, said: Path, tmp_path: Path, kind: str) -> None:
    out, other = tmp_path / f"out.{kind}", tmp_path / "other.jsonl"
    shutil.copy(said, other)
    command = ("batch", claims, "-o", str(out), *FAKE)
    assert run(*command, "--against", str(said)).status == 0
    made = out.read_bytes()
    done = run(*command, "--against", str(other), "--resume")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert f"was begun with --against {said}, and now: --against {other}; " in done.err
    said.write_text(said.read_text() * 2)
    done = run(*command, "--against", str(said), "--resume")
    assert f"was begun with --against {said}, and now: another content of it; " in done.err
    assert out.read_bytes() == made


def test_a_server_and_files_are_not_mixed(at_server: Run, claims: str, said: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert at_server("batch", claims, "-o", str(out), "--against", str(said), *FAKE).status == 0
    done = at_server("batch", claims, "-o", str(out), "--resume")
    assert (done.status, f"--against {said}" in done.err, "no --against" in done.err) == (2, True, True)


def test_what_is_begun_anew_counts_with_its_own_options(run: Run, claims: str, said: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = ("batch", claims, "-o", str(out), "--against", str(said), *FAKE)
    run(*command)
    run(*command, "--max-evidence", "1")
    cut(out)
    assert run(*command, "--resume").status == 2
    assert run(*command, "--max-evidence", "1", "--resume").status == 0


def test_work_that_never_begins_leaves_the_options_of_before(run: Run, claims: str, said: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = ("batch", claims, "-o", str(out), "--against", str(said), *FAKE)
    run(*command)
    cut(out)
    assert run("batch", claims, "-o", str(out), "--target", "127.0.0.1:1").status == 1
    assert run(*command, "--resume").status == 0


def test_an_output_of_elsewhere_is_resumed_with_a_word(
    run: Run, claims: str, said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("batch", claims, "-o", str(out), "--against", str(said), *FAKE)
    run(*command)
    cut(out)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    done = run(*command, "--resume")
    assert done.status == 0
    assert "with which options it was begun is not known here" in done.err
    assert len(out.read_bytes().splitlines()) == CLAIMS

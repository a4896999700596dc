"""`onrecord completion`: what it prints is what a shell reads, and what a shell then asks is answered."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[bytes]]


def asked(spawn: Spawn, words: str, *, place: int | None = None) -> list[str]:
    """What bash is told for this line."""
    variables = {"_ONRECORD_COMPLETE": "bash_complete", "COMP_WORDS": words}
    variables["COMP_CWORD"] = str(len(words.split()) - 1 if place is None else place)
    process = spawn(variables=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    return out.decode().splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert (done.status, done.err) == (0, "")
    assert f"_ONRECORD_COMPLETE={shell}_complete" in done.out
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=done.out.encode(), check=True)  # reads it, runs nothing
    assert run("completion", "tcsh").status == 2


def test_commands_options_values_and_files(spawn: Spawn) -> None:
    assert asked(spawn, "onrecord ch") == ["plain,check"]
    assert "plain,collections" in asked(spawn, "onrecord ", place=1)
    assert sorted(asked(spawn, "onrecord statements re")) == ["plain,reinstate", "plain,retract"]
    assert "plain,--max-evidence" in asked(spawn, "onrecord check --ma")
    assert asked(spawn, "onrecord check x --fail-on supported,contra") == ["plain,supported,contradicted"]
    assert asked(spawn, "onrecord batch some/fi") == ["file,some/fi"]
    assert asked(spawn, "onrecord check x --against ", place=4) == ["file,"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(
    run: Run, spawn: Spawn, child_environment: Callable[..., dict[str, str]], tmp_path: Any
) -> None:

    script = run("completion", "bash").out
    program = tmp_path / "onrecord"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m onrecord "$@"\n')
    program.chmod(0o755)
    asking = 'COMP_WORDS=(onrecord stat); COMP_CWORD=1; _onrecord_completion "$0"; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asking}", str(program)], env=child_environment(), capture_output=True, text=True
    )
    assert done.stdout == "statements\n"

"""Compare the contract with the one that callers have: `buf breaking`, offline.

Compared with proto/baseline.binpb, and, where git has one, with the latest tag v* that HEAD descends from. A clone may
have no tags, so the baseline is committed: it is the contract of the last release (before the first one: of
the day when others began to build on it). A release writes it anew with --update, commits that, and then sets its tag.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from generate_stubs import PROTO, ROOT, buf, lay_out

BASELINE = PROTO / "baseline.binpb"


def git(*arguments: str) -> bytes:
    """What git answers; nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


def latest_tag() -> str:
    """The newest release that this tree descends from; "" before the first."""
    names = git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname").decode().split()
    return names[0] if names else ""


def contract_of(tag: str, folder: Path) -> Path:
    """The contract as it was released."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", tag, "proto"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "proto"


def build(proto: Path, workspace: Path, image: Path) -> int:
    """Write the contract as one file; buf's exit status. Files, because buf compares a file with all of a workspace."""
    workspace.mkdir()
    lay_out(proto, workspace)
    return buf(workspace, "build", "--exclude-source-info", "--output", str(image))


def main() -> int:
    """Entry point. Exit status 0: fine; else what buf returned."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the baseline: the contract as it is now")
    update = parser.parse_args().update
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        now, released = folder / "now.binpb", folder / "released.binpb"
        if status := build(PROTO, folder / "now", BASELINE if update else now):
            return status
        if update:
            return 0
        against = [BASELINE]
        if tag := latest_tag():
            if status := build(contract_of(tag, folder), folder / "released", released):
                return status
            against.append(released)
        for old in against:
            if status := buf(folder / "now", "breaking", str(now), "--against", str(old), "--exclude-imports"):
                print(f"callers of {old.stem if old is BASELINE else tag} would break; see CONTRIBUTING.md",
                      file=sys.stderr)  # fmt: skip
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())

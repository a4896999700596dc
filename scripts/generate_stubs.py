"""Generate client/onrecord/v1 from proto/; with --check lint the contract and compare the committed stubs instead.

grpcio-tools is pinned to 1.81.1: its code (gencode 6.33.5) runs on protobuf 6.33 and 7.x, that of newer ones only
on 7.x.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import google.rpc
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
STUBS = ROOT / "client"
PACKAGE = Path("onrecord/v1")


def googleapis() -> Path:
    """Folder that holds google/rpc/status.proto, from the googleapis-common-protos distribution."""
    return Path(next(iter(google.rpc.__path__))).parent.parent


def wellknown() -> Path:
    """Folder that holds google/protobuf/*.proto, from grpcio-tools."""
    return Path(protoc.__file__).parent / "_proto"


def generate(target: Path) -> None:
    """Write stubs and their type stubs under `target`. Exits on a protoc error."""
    # the protoc plugins of mypy-protobuf are console scripts beside this interpreter
    scripts = Path(sys.executable).parent
    sources = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"-I{PROTO}",
            f"-I{googleapis()}",
            f"-I{wellknown()}",
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            *sources,
        ]
    )
    if code != 0:
        sys.exit(code)
    (target / PACKAGE / "__init__.py").write_text(
        '"""Generated from proto/onrecord/v1 by `make proto`. Do not edit."""\n'
    )


def lay_out(proto: Path, workspace: Path) -> None:
    """Make `workspace` one that buf reads offline: the contract, with google/rpc laid beside it."""
    shutil.copytree(proto, workspace / "proto")
    rpc = workspace / "googleapis" / "google" / "rpc"
    rpc.mkdir(parents=True)
    shutil.copy(googleapis() / "google" / "rpc" / "status.proto", rpc)
    shutil.copy(ROOT / "buf.yaml", workspace)


def buf(workspace: Path, *arguments: str) -> int:
    """Run buf there; its exit status."""
    program = str(Path(sys.executable).parent / "buf")
    return subprocess.run([program, *arguments], cwd=workspace, check=False).returncode  # noqa: S603 -- our own


def lint() -> int:
    """Run `buf lint` (STANDARD) and `buf format` offline."""
    with tempfile.TemporaryDirectory() as folder:
        lay_out(PROTO, Path(folder))
        return buf(Path(folder), "lint") or buf(Path(folder), "format", "--diff", "--exit-code", "proto")


def main() -> int:
    """Entry point. Exit status 0: fine; 1: the stubs differ; else what the failing tool returned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the stubs are stale")
    if not parser.parse_args().check:
        shutil.rmtree(STUBS / PACKAGE, ignore_errors=True)
        generate(STUBS)
        return 0
    if code := lint():
        return code
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, committed = Path(folder) / PACKAGE, STUBS / PACKAGE
        names = {p.name for p in fresh.iterdir()} | {p.name for p in committed.iterdir() if p.is_file()}
        _, differ, missing = filecmp.cmpfiles(fresh, committed, sorted(names), shallow=False)
        if differ or missing:
            print(f"stale stubs, run `make proto`: {', '.join([*differ, *missing])}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

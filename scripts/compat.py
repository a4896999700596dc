"""Run the client's tests against a server, with the oldest and the newest libraries that a caller may have.

    oldest     every dependency of the client at the lowest version that pyproject.toml allows (protobuf 6.33.5)
    newest     every dependency at the highest one there is (protobuf 7.x), with the committed stubs
    generated  the same, with stubs that the newest grpcio-tools generates from the contract, as others generate theirs

Each in an environment of its own, made in a temporary folder from the wheel; the server runs in this one, with the
declared fakes. Needs a package index and some minutes; not part of the test suite. Exit status 1: a test failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generate_stubs import PROTO, ROOT, googleapis

TOOLS = ["pytest", "pytest-asyncio", "pytest-timeout", "hypothesis"]
ALONE = ["tests/wire", "tests/unit/client"]  # no server but their own
AT_SERVER = ["tests/cli/test_client*.py", "tests/cli/test_record.py"]


def dependencies() -> list[str]:
    """What the client is installed with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


def lowest(requirement: str) -> str:
    """The lowest version that a requirement allows, as a requirement."""
    match = re.match(r"([\w-]+)>=([\w.]+)", requirement)
    if match is None:
        raise SystemExit(f"{requirement}: names no lowest version")
    return f"{match.group(1)}=={match.group(2)}"


def inherited() -> dict[str, str]:
    """The environment, in which nobody finds the packages of the checkout."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def run(*command: object, cwd: Path = ROOT, **variables: str) -> int:
    """Run a command; its exit status."""
    return subprocess.run([str(c) for c in command], cwd=cwd, env={**inherited(), **variables}, check=False).returncode  # noqa: S603


def must(*command: object, cwd: Path = ROOT) -> None:
    """Run a command that has to work."""
    if status := run(*command, cwd=cwd):
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {status}")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server of this checkout: its address."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("client", "server", "server/models"))
    command = [sys.executable, "-m", "onrecord_server", "--listen", "127.0.0.1:0", "--log-level", "warning"]
    command += ["--store", str(folder / "record.db"), "--model", "fake", "--encoder", "fake"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})  # noqa: S603
    try:
        line = process.stdout.readline() if process.stdout else ""
        if " serving on " not in line:
            raise SystemExit("the server did not start")
        yield line.partition(" serving on ")[2].split()[0]
    finally:
        process.terminate()
        process.wait(60)


def environment(folder: Path, wheel: Path, requirements: list[str]) -> Path:
    """A virtual environment with the wheel and these: its interpreter."""
    must(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    must(python, "-m", "pip", "install", "--quiet", "--quiet", "--upgrade", wheel, *requirements, *TOOLS)
    return python


def regenerate(python: Path, folder: Path) -> None:
    """Replace the installed stubs by what the newest generator makes of the contract."""
    must(python, "-m", "pip", "install", "--quiet", "--upgrade", "grpcio-tools", "setuptools")
    sources = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
    out = folder / "stubs"
    out.mkdir()
    must(python, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{googleapis()}", f"--python_out={out}",
         f"--grpc_python_out={out}", *sources)  # fmt: skip
    (installed,) = (python.parents[1] / "lib").glob("python*/site-packages/onrecord/v1")
    for made in (out / "onrecord" / "v1").glob("*.py"):
        shutil.copy(made, installed)


def versions(python: Path) -> str:
    """What it came to: versions, and the generator's own number in the stubs."""
    code = (
        "import google.protobuf, grpc, inspect, onrecord.v1.check_service_pb2 as stubs, re;"
        "made = re.search(r'Protobuf Python Version: (\\S+)', inspect.getsource(stubs)).group(1);"
        "print(f'protobuf {google.protobuf.__version__}, grpcio {grpc.__version__}, stubs of {made}')"
    )
    told = subprocess.run([python, "-c", code], env=inherited(), capture_output=True, text=True, check=False)  # noqa: S603
    return told.stdout.strip() or told.stderr.strip().rpartition("\n")[2]


def test(python: Path, address: str) -> int:
    """The client's tests with that interpreter, the installed package and not the checkout's."""
    common = [python, "-m", "pytest", "-q", "-o", "pythonpath=tests/helpers", "-p", "no:cacheprovider"]
    files = [[path for pattern in patterns for path in sorted(ROOT.glob(pattern))] for patterns in (ALONE, AT_SERVER)]
    alone = run(*common, *files[0])
    # what runs the engine in process needs what the server needs
    at_server = run(*common, "-k", "not process", *files[1], TEST_SERVER=address)
    return alone or at_server


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["oldest", "newest", "generated"], help="one of the three")
    only = parser.parse_args().only
    done: list[tuple[str, str, int]] = []
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as address:
        folder = Path(name)
        must(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
        (wheel,) = folder.glob("*.whl")
        for kind in ("oldest", "newest", "generated"):
            if only in (None, kind):
                wanted = [lowest(d) for d in dependencies()] if kind == "oldest" else dependencies()
                python = environment(folder / kind, wheel, wanted)
                if kind == "generated":
                    regenerate(python, folder)
                print(f"{kind}: {versions(python)}", flush=True)
                done.append((kind, versions(python), test(python, address)))
    for kind, what, status in done:
        print(f"{kind:10} {what}: {'passed' if status == 0 else 'FAILED'}")
    return 1 if any(status for _, _, status in done) else 0


if __name__ == "__main__":
    sys.exit(main())

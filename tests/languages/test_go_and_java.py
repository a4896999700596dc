"""The clients of examples/go and examples/java do the main job, where their toolchains and packages are at hand.

Go's packages come from its module proxy. Java's come from Maven Central, else from Debian: libgrpc-java, libnetty-java,
libperfmark-java, libgeronimo-annotation-1.3-spec-java and protobuf-compiler-grpc-java-plugin.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

UNREACHABLE = re.compile(
    r"no such host|Name or service not known|i/o timeout|connection refused|network is unreachable|proxyconnect"
    r"|Unknown host|Could not transfer|Cannot access|UnresolvableModelException|Temporary failure in name resolution",
    re.IGNORECASE,
)
TOO_OLD = re.compile(r"invalid go version|requires go >= |toolchain not available")

JARS = Path("/usr/share/java")
DEBIAN = (
    "grpc-*",
    "netty*",
    "perfmark*",
    "protobuf",
    "guava",
    "failureaccess",
    "gson",
    "opencensus-api",
    "jsr305",
    "geronimo-annotation-1.3-spec",
)

MAIN_JOB = [
    "health: SERVING",
    "import: 2 stored, 1 failed",
    "  statement 2: statements[2].text: is empty; give 1 to 8,000 code points",
    "check: VERDICT_SUPPORTED 0.96 - Vladimir Putin",
    "batch: VERDICT_SUPPORTED, INVALID_FIELDS, VERDICT_SUPPORTED",
    "stream: 0 VERDICT_SUPPORTED, 1 INVALID_FIELDS, 2 VERDICT_SUPPORTED",
]


def done(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, run there."""
    variables = {"PATH": "/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)


def or_skip(what: str, outcome: subprocess.CompletedProcess[str], *reasons: re.Pattern[str]) -> None:
    """Fail unless it succeeded; skip when it could not for one of these reasons."""
    told = outcome.stdout + outcome.stderr
    if outcome.returncode == 0:
        return
    for reason in reasons:
        if found := next((line for line in told.splitlines() if reason.search(line)), None):
            pytest.skip(f"{what}: {found.strip()[:200]}")
    pytest.fail(f"{what}: {told}")


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example beside copies of what it is made from."""

    def copy(name: str) -> Path:
        for part in ("proto", "examples/proto", f"examples/{name}"):
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("target", "onrecordpb"))
        return tmp_path / "examples" / name

    return copy


@pytest.mark.timeout(900)  # compilers and their downloads
def test_go(example: Callable[[str], Path], server: Any, tool: Callable[..., str]) -> None:
    go = tool("go")
    for needed in ("protoc", "protoc-gen-go", "protoc-gen-go-grpc"):
        tool(needed)
    folder = example("go")
    path = str(Path(tool("protoc-gen-go")).parent) + ":/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin"
    or_skip("generate.sh", done(["./generate.sh"], folder, PATH=path))
    assert (folder / "onrecordpb" / "check_service_grpc.pb.go").exists()
    or_skip("go mod tidy", done([go, "mod", "tidy"], folder), UNREACHABLE, TOO_OLD)
    or_skip("go build", done([go, "build", "-o", "example", "."], folder), UNREACHABLE, TOO_OLD)
    ran = done(["./example", server.address], folder, ONRECORD_TOKEN=server.token)
    assert ran.stdout.splitlines() == [*MAIN_JOB, "error: InvalidArgument INVALID_FIELDS claim.text REQUIRED"]


@pytest.mark.timeout(900)  # compilers and their downloads
def test_java(example: Callable[[str], Path], server: Any, tool: Callable[..., str]) -> None:
    java = tool("java")
    tool("javac")
    folder = example("java")
    if shutil.which("mvn") and central_is_reachable():
        or_skip("mvn", done(["mvn", "-B", "-q", "compile"], folder), UNREACHABLE)
        command = ["mvn", "-B", "-q", "exec:java", f"-Dexec.args={server.address}"]
    elif (JARS / "grpc-netty.jar").exists():
        command = [*built_with_debians_packages(folder, java, tool), server.address]
    else:
        pytest.skip("neither mvn with Maven Central nor Debian's libgrpc-java is at hand")
    ran = done(command, folder, ONRECORD_TOKEN=server.token)
    assert ran.stdout.splitlines() == [*MAIN_JOB, "error: INVALID_ARGUMENT INVALID_FIELDS claim.text REQUIRED"]


def central_is_reachable() -> bool:
    """Whether Maven would find its packages."""
    try:
        socket.create_connection(("repo.maven.apache.org", 443), timeout=5).close()
    except OSError:
        return False
    return True


def built_with_debians_packages(folder: Path, java: str, tool: Callable[..., str]) -> list[str]:
    """The command that runs the example, compiled without Maven."""
    protos, common = folder.parents[1] / "proto", folder.parent / "proto"
    sources, classes = folder / "generated", folder / "classes"
    sources.mkdir()
    plugin = tool("grpc_java_plugin", "protoc-gen-grpc-java")
    files = [str(path.relative_to(base)) for base in (protos, common) for path in base.rglob("*.proto")]
    made = done(
        [tool("protoc"), f"-I{protos}", f"-I{common}", f"--java_out={sources}", f"--grpc-java_out={sources}",
         f"--plugin=protoc-gen-grpc-java={plugin}", *files],
        folder,
    )  # fmt: skip
    or_skip("protoc", made)
    jars = ":".join(str(jar) for name in DEBIAN for jar in JARS.glob(f"{name}.jar"))
    code = [str(path) for base in (sources, folder / "src") for path in base.rglob("*.java")]
    or_skip(
        "javac",
        done(["javac", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-d", str(classes), "-cp", jars, *code], folder),
    )
    return [java, "-cp", f"{classes}:{jars}", "example.Main"]

"""One declaration a setting: flag, variable, default, help; values that cannot work are refused in one line."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from onrecord.cli._settings import env_of
from onrecord_server import config
from onrecord_server.config import ServerConfig, serve_command
from onrecord_server.domain.errors import ConfigError


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerConfig]:
    """The configs that `serve` would have run with."""
    seen: list[ServerConfig] = []

    def run(given: ServerConfig) -> int:
        seen.append(given)
        return 0

    monkeypatch.setattr(config, "_runner", lambda: run)
    return seen


def serve(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and stderr of `serve`."""
    result = CliRunner(env=env).invoke(serve_command(), list(arguments))
    return result.exit_code, result.stderr


def test_every_setting_has_a_flag_a_variable_and_help() -> None:
    text = CliRunner().invoke(serve_command(), ["--help"], terminal_width=200).stdout
    for setting in fields(ServerConfig):
        assert config.flag_of(setting.name) in text
        assert env_of(setting.name) in text
    assert "--precision [auto|fp32|bf16|int8]" in text
    assert "--cache-pairs INTEGER" in text


def test_flag_wins_over_variable_over_default(served: list[ServerConfig]) -> None:
    variables = {"ONRECORD_CACHE_PAIRS": "7", "ONRECORD_THREADS": "3"}
    assert serve("--cache-pairs", "9", env=variables) == (0, "")
    assert (served[0].cache_pairs, served[0].threads, served[0].precision) == (9, 3, "auto")


def test_parts_of_the_rule_are_left_out_by_name(served: list[ServerConfig]) -> None:
    assert serve("--without", "date_guard", "--without", "relays") == (0, "")
    assert served[0].switches.off == ("date_guard", "relays")
    assert serve(env={"ONRECORD_WITHOUT": "relays compounds"}) == (0, "")
    assert served[1].switches.off == ("compounds", "relays")
    status, message = serve("--without", "moon_guard")
    assert status == 2
    assert "moon_guard is no part of the rule; these are: " in message


def test_defaults_of_the_command_are_those_of_the_class(served: list[ServerConfig]) -> None:
    assert serve() == (0, "")
    assert served == [ServerConfig()]


def test_every_encoder_has_a_default_record_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(ServerConfig().store_path).parent
    assert ServerConfig().store_path == str(data / "record.db")
    assert ServerConfig(model="fake").store_path == str(data / "record.db")  # the model leaves nothing in a record
    assert ServerConfig(encoder="fake").store_path == str(data / "record-fake.db")
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    encoders = ["fake", "mine", "you/mine", "you/Mine", "you/mine@v1", "../x", "x" * 5_000, "\udcff", "/"]
    configs = [ServerConfig(encoder=name) for name in encoders]
    paths = [Path(config.store_path) for config in (*configs, ServerConfig(encoder="you/mine", encoder_revision="v2"))]
    assert len(set(paths)) == len(paths)
    assert all(path.parent == data and re.fullmatch(r"record-[a-z0-9-]{1,60}\.db", path.name) for path in paths)
    assert ServerConfig(encoder=str(tmp_path / "mine")).store_path == str(paths[1])
    assert ServerConfig(encoder="fake", store="given.db").store_path == "given.db"


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:50051", "[::1]:65535", "127.9.9.9:1"])
def test_loopback_addresses_are_accepted(listen: str) -> None:
    assert ServerConfig(listen=listen).address[1] == int(listen.rpartition(":")[2])


@pytest.mark.parametrize(
    "listen",
    [
        "",
        ":",
        "50051",
        "127.0.0.1",
        "127.0.0.1:",
        ":50051",
        "127.0.0.1:65536",
        "127.0.0.1:٣",
        "::1:50051",
        "h:" + "9" * 5_000,
    ],
)
def test_addresses_that_are_none(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"HOST:PORT|brackets"):
        ServerConfig(listen=listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:50051", "[::]:50051", "192.168.1.5:1", "example.org:443"])
def test_other_machines_are_let_in_only_on_request(listen: str) -> None:
    with pytest.raises(ConfigError, match="--allow-remote"):
        ServerConfig(listen=listen)
    assert ServerConfig(listen=listen, allow_remote=True).listen == listen


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--listen", "0.0.0.0:1"], "--listen"),
        (["--max-queue-tokens", "10"], "--max-queue-tokens"),
        (["--drain-seconds", "nan"], "--drain-seconds"),
        (["--precision", "fp8"], "--precision"),
        (["--threads", "0"], "--threads"),
        (["--no-such-flag"], "--no-such-flag"),
    ],
)
def test_usage_errors_exit_2_and_name_the_flag(arguments: list[str], named: str) -> None:
    code, stderr = serve(*arguments)
    assert code == 2
    assert named in stderr
    assert "Traceback" not in stderr


def test_a_bad_variable_is_a_usage_error_that_names_it() -> None:
    code, stderr = serve(env={"ONRECORD_THREADS": "many"})
    assert code == 2
    assert "ONRECORD_THREADS" in stderr


def test_the_token_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    assert ServerConfig(token_file=str(path)).read_token() == "s3cret"
    assert ServerConfig().read_token() is None


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", "schlüssel".encode(), b"two\nlines"])
def test_files_that_hold_no_token(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="--token-file"):
        ServerConfig(token_file=str(path)).read_token()
    with pytest.raises(ConfigError, match="No such file"):
        ServerConfig(token_file=str(tmp_path / "none")).read_token()


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter with this one's path."""
    env = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)


def test_configuration_needs_neither_torch_nor_grpc() -> None:
    done = python("import sys, onrecord_server.config as c; print({'torch', 'grpc'} & {*sys.modules})")
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("module", ["grpc_reflection", "numpy"])
def test_a_missing_extra_is_one_line(module: str) -> None:
    done = python(
        f"import sys; sys.modules['{module}'] = None\n"
        "from onrecord_server.config import serve_command; serve_command()(['--model', 'fake', '--encoder', 'fake'])"
    )
    assert done.returncode == 1
    assert "pip install ./server/models '.[server]'" in done.stderr
    assert "Traceback" not in done.stderr

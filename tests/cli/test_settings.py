"""Settings: flag, environment variable and configuration file, in this order; `onrecord config`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from onrecord.cli._main import COMMANDS, cli
from onrecord.cli._options import shared
from onrecord.cli._settings import Setting, env_of, flag_of, settings

Run = Callable[..., Any]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes the user's own configuration file."""

    def write(text: str) -> str:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        path = tmp_path / "onrecord" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def commands(group: click.Group, names: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command that does something, by its names."""
    context = click.Context(group)
    found: dict[tuple[str, ...], click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found |= commands(command, (*names, name)) if isinstance(command, click.Group) else {(*names, name): command}
    return found


def where(run: Run, name: str, *arguments: str) -> tuple[Any, str]:
    """Value and origin of a setting, as `config` tells them."""
    (row,) = [row for row in run("config", *arguments, "--json").json["settings"] if row["name"] == name]
    return row["value"], row["from"]


def test_flag_variable_and_key_have_one_name() -> None:
    seen: set[str] = set()
    for names, command in commands(cli).items():
        for setting in settings(command):
            name = str(setting.name)
            seen.add(name)
            assert flag_of(name) in setting.opts, names
            assert setting.envvar == env_of(name)
        assert any(option.name == "config" for option in command.params), names
        others = [option for option in command.params if not isinstance(option, Setting)]
        assert {str(option.envvar) for option in others if option.envvar} <= {"ONRECORD_CONFIG"}, names
    assert seen >= set(shared())


def test_every_command_has_help_with_an_example() -> None:
    for names, command in commands(cli).items():
        assert f"onrecord {' '.join(names)}" in (command.help or ""), names
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (names, parameter.name)
    assert list(COMMANDS) == cli.list_commands(click.Context(cli))


def test_the_first_that_is_given_wins(
    run: Run, config: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert where(run, "collection", "check") == ("default", "default")
    path = config('collection = "top"\ntimeout = 7\n[check]\ncollection = "mine"\n[serve]\nstore = "x.db"\n')
    assert where(run, "collection", "check") == ("mine", path)
    assert where(run, "collection", "batch") == ("top", path)
    assert where(run, "timeout", "statements", "list") == (7, path)
    assert where(run, "store", "serve") == ("x.db", path)
    monkeypatch.setenv("ONRECORD_COLLECTION", "of-the-variable")
    assert where(run, "collection", "check") == ("of-the-variable", "ONRECORD_COLLECTION")
    other = tmp_path / "other.toml"
    other.write_text("max-evidence = 3")
    assert where(run, "max_evidence", "check", "--config", str(other)) == (3, str(other))
    monkeypatch.setenv("ONRECORD_CONFIG", str(other))
    assert where(run, "max_evidence", "check") == (3, str(other))


def test_settings_are_heeded(
    at_server: Run, server: str, config: Callable[[str], str], collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONRECORD_TARGET")
    config(
        f'target = "{server}"\ncollection = "{collection}"\n[check]\nfail_on = ["not-enough-evidence", "supported"]\n'
    )
    assert at_server("statements", "add", "China respects Afghanistan.").out.startswith(f"collections/{collection}/")
    assert at_server("check", "Bananas are yellow.").status == 3
    assert at_server("check", "Bananas are yellow.", "--fail-on", "contradicted").status == 0
    # before the command and behind it
    assert at_server("--config", "missing.toml", "check", "x").status == 2
    assert at_server("check", "x", "--config", "missing.toml").status == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_evidence = 50", "50 is not in the range 0<=x<=32 (from {path})"),
        ("max_evidence = true", "needs text or a number, not true or false (from {path})"),
        ("tls = 'yes'", "needs true or false (from {path})"),
        ("target = {host = 1}", "[target]"),
        ("tagret = 'x'", "{path}: tagret is no setting here; `onrecord config check` names those that are"),
        ("[check]\nlimit = 3", "{path}: [check] limit is no setting here"),
        ("[check]\nspeaker = 'x'", "{path}: [check] speaker is no setting here"),  # an option, but of one claim
        ("check = 3", "{path}: check is a command, whose settings stand in a table, [check]"),
        ("a = ", "{path}: not TOML: invalid value (at end of document)"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line(run: Run, config: Callable[[str], str], text: str, said: str) -> None:
    path = config(text)
    command = ("check", "x", "--target", "127.0.0.1:1") if "[target]" not in said else ("config", "check")
    done = run(*command)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert said.format(path=path) in done.err


def test_a_key_of_one_command_belongs_into_its_table(run: Run, config: Callable[[str], str]) -> None:
    config('listen = "127.0.0.1:0"')
    assert "listen is of one command; put it under [serve]" in run("config", "serve").err


def test_a_wrong_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONRECORD_TIMEOUT", "soon")
    done = run("info")
    assert (done.status, "'--timeout'" in done.err, "(from ONRECORD_TIMEOUT)" in done.err) == (2, True, True)


def test_config_looks_through_the_whole_file(run: Run, config: Callable[[str], str]) -> None:
    path = config("[statements.list]\nlimit = 3\n[serve]\nprecision = 'bf17'\n")
    assert run("info", "--target", "127.0.0.1:1").status == 1  # nobody there; the tables are of others
    done = run("config")
    assert (done.status, "bf17" in done.err, f"(from {path})" in done.err) == (2, True, True)
    config("[sreve]\nstore = 'x'\n")
    assert "there is no command sreve" in run("config").err


def test_secrets_are_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONRECORD_TOKEN", "hush-hush")
    done = run("config")
    assert "hush-hush" not in done.out
    assert where(run, "token") == ("(set)", "ONRECORD_TOKEN")


def test_a_template_is_a_file_that_changes_nothing(run: Run, config: Callable[[str], str]) -> None:
    for names in ((), ("serve",), ("statements", "list")):
        text = run("config", *names, "--template").out
        assert tomllib.loads(text) in ({}, {"serve": {}}, {"statements": {"list": {}}})
        # and with its remarks taken away it is one that every command takes, but for what has no default
        lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line and not line.endswith('""')]
        head = f"[{'.'.join(names)}]\n" if names else ""
        config(head + "\n".join(lines))
        assert run("config", *names).status == 0


def test_a_token_from_a_file(at_server: Run, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a secret\n")
    assert at_server("info", "--token-file", str(token)).status == 0
    done = at_server("info", "--token-file", str(tmp_path / "none"))
    assert (done.status, done.err.count("\n"), "No such file" in done.err) == (2, 1, True)

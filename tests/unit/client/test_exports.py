"""The public surface of the package: what is declared is there, and importing it loads next to nothing."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import onrecord
from onrecord import errors, types

CLIENT = Path(onrecord.__file__).parent.parent

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
"""
SERVER_ONLY = ["torch", "transformers", "numpy", "faiss", "onrecord_server", "onrecord_models", "safetensors"]


def run(code: str, blocked: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=blocked) + code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(CLIENT), "PATH": ""},
        timeout=60,
        check=False,
    )


def test_everything_declared_is_there_and_sorted() -> None:
    assert sorted(onrecord.__all__, key=str) == onrecord.__all__
    for name in onrecord.__all__:
        assert getattr(onrecord, name) is not None
    assert set(onrecord.__all__) <= set(dir(onrecord))


def test_everything_public_is_declared() -> None:
    defined = {
        name
        for module in (types, errors)
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert set(onrecord.__all__) == defined | {"AsyncClient", "Client", "__version__"}
    assert set(errors.__all__) == {n for n in defined if hasattr(errors, n) and not hasattr(types, n)} | {
        "OnrecordError"
    }


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Clients'"):
        onrecord.Clients  # noqa: B018


def test_the_drawn_tree_is_the_tree_of_errors() -> None:
    drawn = {}
    above = ["OnrecordError"]
    for line in (errors.__doc__ or "").splitlines():
        if "── " in line:
            depth, name = line.index("── ") // 4 + 1, line.partition("── ")[2].split()[0]
            above = [*above[:depth], name]
            drawn[name] = above[-2]
    named = {name: getattr(errors, name) for name in errors.__all__ if name not in ("FieldViolation", "OnrecordError")}
    public = {name: [base for base in value.__mro__[1:] if base.__name__[0] != "_"] for name, value in named.items()}
    assert drawn == {name: bases[0].__name__ for name, bases in public.items()}


def test_types_are_frozen() -> None:
    for name in dir(types):
        value = getattr(types, name)
        if dataclasses.is_dataclass(value):
            assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_import_and_help_work_without_the_servers_packages() -> None:
    done = run("import onrecord; onrecord.Client; print(onrecord.Verdict.SUPPORTED)", SERVER_ONLY)
    assert (done.stdout, done.stderr) == ("SUPPORTED\n", "")
    done = run("from onrecord.cli import main; main(['--help'])", SERVER_ONLY)
    assert done.returncode == 0
    assert "statements" in done.stdout


def test_importing_the_package_loads_no_grpc() -> None:
    done = run("import onrecord; from onrecord.cli import cli", ["grpc", "google", "rich"])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["serve"], ["check", "x", "--against", __file__]])
def test_what_needs_the_server_says_what_to_install(arguments: list[str]) -> None:
    done = run(f"from onrecord.cli import main; main({arguments!r})", SERVER_ONLY)
    assert done.returncode == 1
    assert done.stderr.startswith("onrecord: ")
    checkout = CLIENT.parent if (CLIENT.parent / "pyproject.toml").exists() else "a checkout of onrecord"
    assert f"pip install ./server/models '.[server]'` in {checkout}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_an_installed_package_says_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from onrecord import _install

    monkeypatch.setattr(_install, "_ROOT", tmp_path)
    said = _install.how_to_install("parquet")
    assert "`pip install '.[parquet]'` in a checkout" in said  # works before anything is on an index
    assert "`pip install 'onrecord[parquet]'`" in said


def test_the_package_is_typed() -> None:
    assert (Path(onrecord.__file__).parent / "py.typed").is_file()


def test_errors_survive_pickling() -> None:
    import pickle

    error = errors.Overloaded("busy", reason="OVERLOADED", retry_after=1.5)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason, copy.code, copy.retry_after) == ("busy", "OVERLOADED", "RESOURCE_EXHAUSTED", 1.5)
    json.dumps(copy.to_dict())


def test_the_lazy_modules_import_alone() -> None:
    for name in ("async_client", "client", "errors", "types"):
        assert importlib.import_module(f"onrecord.{name}")


def test_types_are_kept_in_pickles_by_the_names_that_callers_know() -> None:
    import pickle

    from onrecord import types

    kept = (types.Verdict.SUPPORTED, types.Limit("claim_code_points", 2_000, "code points", "CLAIM_TOO_LONG"))
    data = pickle.dumps(kept)
    assert pickle.loads(data) == kept
    assert b"onrecord.types" in data
    assert b"onrecord._" not in data

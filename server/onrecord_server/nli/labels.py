"""Whose output is which: the labels of an NLI model, found by name, never by position."""

from __future__ import annotations

from collections.abc import Mapping

from onrecord_server.domain.errors import ModelUnusable

LABELS = ("entailment", "neutral", "contradiction")
"""The order that onrecord uses everywhere."""

_SPELLINGS = {
    "entailment": {"entailment", "entail", "entails", "entailed"},
    "neutral": {"neutral", "unknown"},
    "contradiction": {"contradiction", "contradict", "contradicts", "contradictory", "contradicted"},
}


def label_columns(id2label: Mapping[int, str]) -> tuple[int, int, int]:
    """Columns of (entailment, neutral, contradiction) in the model's output.

    id2label: as in a Hugging Face config. Raises ModelUnusable when a class is missing, doubled, or nameless (LABEL_0):
    label order differs between model families, so a guess would be wrong without anyone noticing.
    """
    columns: dict[str, int] = {}
    for index, name in id2label.items():
        for label, spellings in _SPELLINGS.items():
            if name.strip().lower() in spellings:
                if label in columns:
                    raise ModelUnusable(f"the model has two outputs for {label}: {_shown(id2label)}")
                columns[label] = index
    if len(columns) < len(LABELS) or len(id2label) != len(LABELS):
        raise ModelUnusable(
            f"the model's labels are {_shown(id2label)}; "
            f"needed are entailment, neutral and contradiction, by name, in config.json id2label"
        )
    return columns["entailment"], columns["neutral"], columns["contradiction"]


def _shown(id2label: Mapping[int, str]) -> str:
    names = [id2label[i] for i in sorted(id2label)]
    more = f", … ({len(names)} in all)" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more

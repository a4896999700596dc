"""Reports of `eval` and `calibrate` as tables. The reports themselves are made by onrecord_server.evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from onrecord.cli._draw import Out, Table, Text
from onrecord.cli._report import printable
from onrecord.cli._show import MAX_WIDTH

_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "false_contradiction": "undecidable called contradicted",
    "false_support": "undecidable called supported",
    "contradiction_recall": "recall of contradictions",
    "support_recall": "recall of support",
    "entailment_recall": "recall of entailment",
    "conflicting": "called conflicting",
    "content_precision": "content precision",
    "content_recall": "content recall",
    "content_f1": "content F1",
    "source_accuracy": "source, given a right content",
}


_SWITCHED = (("without", "without"), ("with", "including"))


def report(shown: Mapping[str, Any]) -> None:
    """The report of any mode."""
    out = Out(MAX_WIDTH)
    if model := shown.get("model"):
        fake = ", a FAKE for tests only" if model["fake"] else ""
        line = f"model {model['id']} ({model['revision'][:12]}), {model['precision']}{fake}"
        out.print(Text(printable(f"{line}; calibration: {shown['calibration']['method']}"), "dim"))
    {"pairs": _pairs, "claims": _claims, "documents": _documents}[shown["kind"]](out, shown)


def calibration(shown: Mapping[str, Any]) -> None:
    """What was compared, what was chosen, and what it does to each set."""
    out = Out(MAX_WIDTH)
    held = "whole sets" if shown["hold_out"] == "sets" else "pairs"
    out.print(f"{shown['pair_count']:,} pairs, {shown['folds']} folds of {held}; all figures on what was held out")
    out.print()
    table = _table("method", "NLL", "ECE %", "Brier", "accuracy %")
    for name, f in shown["methods"].items():
        mark = "  ← chosen" if name == shown["chosen"] else ""
        table.row(f"{name}{mark}", f"{f['nll']:.4f}", _percent(f["ece"]), f"{f['brier']:.4f}", _percent(f["accuracy"]))
    out.print(table)
    out.print()
    table = _table("set", "pairs", "ECE % before", "after", "Brier before", "after", "accuracy %", "after")
    for one in shown["sets"]:
        a, b = one["before"], one["after"]
        table.row(
            printable(one["name"]), f"{one['pair_count']:,}", _percent(a["ece"]), _percent(b["ece"]),
            f"{a['brier']:.3f}", f"{b['brier']:.3f}", _percent(a["accuracy"]), _percent(b["accuracy"]),
        )  # fmt: skip
    out.print(table)


def _pairs(out: Out, shown: Mapping[str, Any]) -> None:
    out.print()
    table = _table("set", "pairs", "acc. %", "95 %", "F1", "false contr.", "ECE %", "(raw)", "Brier")
    several = [shown["three_way"]] if shown.get("three_way", {}).get("set_count", 0) > 1 else []
    for one in (*shown["sets"], *several):
        f, after, before = one["figures"], one["calibrated"], one["uncalibrated"]
        false = f.get("false_contradiction")
        table.row(
            printable(one["name"]) + (" (two-way)" if len(one["classes"]) == 2 else ""),
            f"{one['pair_count']:,}", _percent(f["accuracy"]["value"]), _between(f["accuracy"]),
            _percent(f["macro_f1"]["value"]), _percent(false["value"] if false else None),
            _percent(after["ece"]["value"]), _percent(before["ece"]["value"]), f"{after['brier']['value']:.3f}",
        )  # fmt: skip
    mean = shown["mean"]
    table.row(
        f"mean of {mean['set_count']} sets", "", _percent(mean["accuracy"]["value"]), _between(mean["accuracy"]),
        _percent(mean["macro_f1"]["value"]), "", "", "", "",
    )  # fmt: skip
    out.print(table)
    out.print(Text("F1: macro; false contr.: neutral called contradiction; (raw): without calibration", "dim"))
    pooled = shown.get("three_way") or shown["sets"][0]
    _confusion(out, pooled["name"], pooled["classes"], pooled["classes"], pooled["confusion"])
    _by_class(out, pooled["by_class"])
    _coverage(out, pooled["coverage"])


def _claims(out: Out, shown: Mapping[str, Any]) -> None:
    off = "".join(f", {word} {', '.join(shown[key])}" for word, key in _SWITCHED if shown[key])
    out.print(f"{shown['claim_count']:,} claims against {shown['statement_count']:,} statements{off}")
    out.print()
    table = _table("figure", "%", "95 %")
    _figure_rows(table, shown["figures"])
    for key, figure in shown["evidence_recall"].items():
        if key != "claim_count":
            table.row(f"evidence recall@{key.removeprefix('at_')}", _percent(figure["value"]), _between(figure))
    ece = shown["confidence"]["ece"]
    table.row("ECE of the verdicts' confidence", _percent(ece["value"]), _between(ece))
    out.print(table)
    _confusion(out, "verdicts", shown["classes"], shown["answers"], shown["confusion"])
    _by_class(out, shown["by_class"])
    _coverage(out, shown["coverage"])
    if "ablation" in shown:
        _ablation(out, shown)
    if "sweep" in shown:
        _sweep(out, shown["sweep"])


def _ablation(out: Out, shown: Mapping[str, Any]) -> None:
    out.print()
    head = ("acc.", "macro-F1", "false contr.", "contr. recall", "support recall")
    keys = ("accuracy", "macro_f1", "false_contradiction", "contradiction_recall", "support_recall")
    table = _table("%", *head, "mends", "spoils")
    table.row("the rule", *(_percent(shown["figures"][key]["value"]) for key in keys), "", "")
    for row in shown["ablation"]:
        counts = (f"{row['turned_right']:,}", f"{row['turned_wrong']:,}")
        table.row(f"without {row['without']}", *(_percent(row[key]) for key in keys), *counts)
    out.print(table)
    out.print(Text("mends: verdicts right with this part and wrong without it; spoils: the other way round", "dim"))


def _sweep(out: Out, rows: Sequence[Mapping[str, Any]]) -> None:
    out.print()
    if not rows:
        out.print("no thresholds keep false contradictions so few")
        return
    table = _table("support", "contr.", "margin", "topic", "acc. %", "macro-F1", "false contr.", "contr. recall")
    for row in rows:
        limits = (f"{row[key]:g}" for key in ("support", "contradiction", "margin", "topic"))
        keys = ("accuracy", "macro_f1", "false_contradiction", "contradiction_recall")
        table.row(*limits, *(_percent(row[key]) for key in keys))
    out.print(table)


def _documents(out: Out, shown: Mapping[str, Any]) -> None:
    out.print(
        f"{shown['document_count']:,} documents, {shown['annotated_count']:,} attributions annotated, "
        f"{shown['found_count']:,} found, {shown['right_count']:,} right; {shown['words_per_second']:,} words/s"
    )
    out.print()
    table = _table("figure", "%", "95 %")
    _figure_rows(table, shown["figures"])
    out.print(table)
    out.print()
    table = _table("kind", "found", "right %")
    for row in shown["by_kind"]:
        table.row(row["kind"], f"{row['found']:,}", _percent(row["right"] / row["found"]))
    out.print(table)


def _figure_rows(table: Table, figures: Mapping[str, Any]) -> None:
    for key, figure in figures.items():
        table.row(_NAMES.get(key, key), _percent(figure["value"]), _between(figure))


def _confusion(
    out: Out, name: str, classes: Sequence[str], answers: Sequence[str], counts: Iterable[Sequence[int]]
) -> None:
    out.print()
    out.print(Text(printable(name), "bold"))
    table = _table("gold \\ answer", *map(_words, answers))
    for label, row in zip(classes, counts, strict=True):
        table.row(_words(label), *(f"{n:,}" for n in row))
    out.print(table)


def _by_class(out: Out, by_class: Mapping[str, Mapping[str, Any]]) -> None:
    out.print()
    table = _table("class", "precision %", "recall %", "F1")
    for label, f in by_class.items():
        table.row(_words(label), _percent(f["precision"]), _percent(f["recall"]), _percent(f["f1"]))
    out.print(table)


def _coverage(out: Out, curve: Sequence[Mapping[str, float]]) -> None:
    wanted = [0.25, 0.5, 0.75, 1.0]
    points = [min(curve, key=lambda p, c=c: abs(p["coverage"] - c)) for c in wanted]  # type: ignore[misc]
    parts = [f"{_percent(p['accuracy'])} of the surest {100 * p['coverage']:.0f} %" for p in points]
    out.print()
    out.print("accuracy % by coverage: " + ", ".join(dict.fromkeys(parts)))


def _table(*head: str) -> Table:
    """Words of a heading stand below each other, for the columns are narrow and the terminal is, too."""
    table = Table(gap=1)
    table.column(head[0], least=14)
    for name in head[1:]:
        narrow = name.replace(" ", "\n") if len(name) > len("precision %") else name
        table.column(narrow, right=True, least=max(map(len, name.split())))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


def _percent(value: float | None) -> str:
    """A share in percent; nothing where nothing can be said."""
    return "" if value is None else f"{100 * value:.1f}"


def _between(figure: Mapping[str, Any]) -> str:
    if figure["interval"] is None:
        return ""
    low, high = figure["interval"]
    return f"{100 * low:.1f}–{100 * high:.1f}"

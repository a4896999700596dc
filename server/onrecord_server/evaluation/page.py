"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from onrecord_server.evaluation import svg

Report = Mapping[str, Any]

NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "false_contradiction": "Undecidable called contradicted",
    "false_support": "Undecidable called supported",
    "contradiction_recall": "Recall of contradictions",
    "support_recall": "Recall of support",
    "entailment_recall": "Recall of entailment",
    "conflicting": "Called conflicting",
    "content_precision": "Content: precision",
    "content_recall": "Content: recall",
    "content_f1": "Content: F1",
    "source_accuracy": "Source, given a right content",
}

_PAIR_NAMES = {"false_contradiction": "Neutral called contradiction"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #fff; --panel: #f5f7fa; --line: #d9dfe7;
  --after: #1769c2; --before: #b4640b; --good: 23, 105, 194; --bad: 192, 57, 43; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --paper: #14181e; --panel: #1c222b;
  --line: #36404d; --after: #6cb0f5; --before: #eea24e; --good: 90, 160, 240; --bad: 232, 110, 96; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 60px; max-width: 1160px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 10px; }
h3 { font-size: 15px; margin: 0 0 6px; } p { margin: 6px 0; } .soft { color: var(--soft); }
.tiles, .charts { display: grid; gap: 14px; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); margin-top: 20px; }
.charts { grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); }
.tile, .chart, .mistake { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 14px; }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.chart svg { width: 100%; max-width: 400px; height: auto; display: block; margin: 0 auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { width: 100%; } th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; }
td:first-child, th:first-child { text-align: left; }
.matrix td:not(:first-child), .matrix th:not(:first-child) { text-align: center; min-width: 96px; }
.matrix td { padding: 10px; } .matrix { margin-bottom: 16px; }
.mistake { margin: 10px 0; } .mistake p { margin: 3px 0; overflow-wrap: anywhere; }
.tag { display: inline-block; border: 1px solid var(--line); border-radius: 999px; padding: 0 9px; margin-right: 6px;
  font-size: 13px; background: var(--paper); }
svg text { fill: var(--soft); font-size: 11px; } .grid { stroke: var(--line); stroke-width: 1; }
.line { fill: none; stroke-width: 2; } .line.ideal { stroke: var(--soft); stroke-dasharray: 4 4; stroke-width: 1.2; }
.line.after { stroke: var(--after); } .bar { fill-opacity: .22; } .bar.after, .dot.after { fill: var(--after); }
.bar.before, .dot.before { fill: var(--before); }
@media print { body { max-width: none; } .mistake, .chart { break-inside: avoid; } }
"""


def render(report: Report) -> str:
    """The page, UTF-8. Everything from the data is escaped."""
    title, body = {"pairs": _pairs, "claims": _claims, "documents": _documents}[report["kind"]](report)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<p class="soft">{_made_with(report)}</p>\n{body}\n</body>\n</html>'
    )


def _made_with(report: Report) -> str:
    parts = []
    if model := report.get("model"):
        fake = " — a FAKE, for tests only" if model["fake"] else ""
        parts.append(f"model {model['id']} ({model['revision'][:12]}), {model['precision']}{fake}")
        parts.append(f"calibration: {report['calibration']['method']}")
    parts.append(f"onrecord {report.get('onrecord_version', '')}")
    return escape(" · ".join(parts)) + ". Ranges are 95 % bootstrap intervals."


def _pairs(report: Report) -> tuple[str, str]:
    pooled = report.get("three_way") or report["sets"][0]
    mean = report["mean"]
    shown = ("accuracy", "macro_f1", "false_contradiction", "contradiction_recall")
    tiles = [(f"Accuracy, mean of {mean['set_count']} set{'s' * (mean['set_count'] > 1)}", _figure(mean["accuracy"]))]
    tiles += [
        (f"{_PAIR_NAMES.get(key, NAMES[key])}, {pooled['name']}", _figure(pooled["figures"][key]))
        for key in shown
        if key in pooled["figures"]
    ]
    tiles.append((f"ECE, {pooled['name']}", _figure(pooled["calibrated"]["ece"])))
    before, after = pooled["uncalibrated"], pooled["calibrated"]
    charts = [
        (f"Before: ECE {_percent(before['ece']['value'])} %, Brier {before['brier']['value']:.3f}",
         svg.reliability(before["reliability"], "Reliability before calibration", "before")),
        (f"As used: ECE {_percent(after['ece']['value'])} %, Brier {after['brier']['value']:.3f}",
         svg.reliability(after["reliability"], "Reliability as used", "after")),
        ("Answering only the surest", svg.coverage(pooled["coverage"], "Accuracy by coverage")),
    ]  # fmt: skip
    head = (
        "set", "pairs", "accuracy %", "95 %", "balanced %", "macro-F1 %", "neutral called contradiction %",
        "ECE % as used", "ECE % before", "Brier as used", "Brier before",
    )  # fmt: skip
    rows = [_set_row(one) for one in [*report["sets"], *([pooled] if pooled.get("set_count", 0) > 1 else [])]]
    pairs = sum(one["pair_count"] for one in report["sets"])
    return f"The model on {pairs:,} labelled pairs", "".join(
        [
            _tiles(tiles),
            _section(f"Confidence: {pooled['name']}", _charts(charts) + _ECE_NOTE),
            _section("Sets", _table(head, rows)),
            _section(f"Answers: {pooled['name']}", _matrix(pooled, pooled["classes"]) + _classes(pooled)),
            _section("Surest mistakes", _listed(report["mistakes"], _pair_mistake)),
        ]
    )


_ECE_NOTE = (
    '<p class="soft">ECE: mean gap between confidence and how often it is right, over 15 bins of equal width (Guo et '
    "al. 2017). A larger dot holds more answers; dots on the dashed line mean what they say.</p>"
)


def _set_row(one: Report) -> list[str]:
    f, after, before = one["figures"], one["calibrated"], one["uncalibrated"]
    name = one["name"] + (" (two-way)" if len(one["classes"]) == 2 else "")
    false = f.get("false_contradiction", {"value": None})["value"]
    return [
        name, f"{one['pair_count']:,}", _percent(f["accuracy"]["value"]), _between(f["accuracy"]),
        _percent(f["balanced_accuracy"]["value"]), _percent(f["macro_f1"]["value"]), _percent(false),
        _percent(after["ece"]["value"]), _percent(before["ece"]["value"]),
        f"{after['brier']['value']:.3f}", f"{before['brier']['value']:.3f}",
    ]  # fmt: skip


def _pair_mistake(one: Report) -> str:
    return (
        f"<p>{_tag(one['set'])}{_tag('gold: ' + _words(one['gold']))}"
        f"{_tag('answer: ' + _words(one['answer']))}{_sure(one)}</p>"
        f'<p><span class="soft">premise</span> {escape(one["premise"])}</p>'
        f'<p><span class="soft">hypothesis</span> {escape(one["hypothesis"])}</p>'
    )


def _claims(report: Report) -> tuple[str, str]:
    tiles = [(NAMES[key], _figure(figure)) for key, figure in report["figures"].items()]
    tiles += [
        (f"Evidence recall@{key.removeprefix('at_')}", _figure(figure))
        for key, figure in report["evidence_recall"].items()
        if key != "claim_count"
    ]
    confidence = report["confidence"]
    charts = [
        (f"Confidence of the verdicts: ECE {_percent(confidence['ece']['value'])} %",
         svg.reliability(confidence["reliability"], "Reliability of the verdicts' confidence", "after")),
        ("Answering only the surest", svg.coverage(report["coverage"], "Accuracy by coverage")),
    ]  # fmt: skip
    parts = [
        _tiles(tiles),
        _section("Verdicts", _matrix(report, report["answers"]) + _classes(report)),
        _section("Confidence", _charts(charts) + _ECE_NOTE),
    ]
    keys = ("accuracy", "macro_f1", "false_contradiction", "contradiction_recall", "support_recall")
    if "ablation" in report:
        head = ("rule", *(NAMES[key] + " %" for key in keys), "verdicts it turns right", "and wrong")
        whole = ["whole", *(_percent(report["figures"][key]["value"]) for key in keys), "", ""]
        rows = [
            [f"without {row['without']}", *(_percent(row[key]) for key in keys),
             f"{row['turned_right']:,}", f"{row['turned_wrong']:,}"]
            for row in report["ablation"]
        ]  # fmt: skip
        parts.append(_section("What each part of the rule gains", _table(head, [whole, *rows])))
    if "sweep" in report:
        limits = ("support", "contradiction", "margin", "topic")
        head = (*limits, *(NAMES[key] + " %" for key in keys))
        rows = [
            [*(f"{row[key]:g}" for key in limits), *(_percent(row[key]) for key in keys)] for row in report["sweep"]
        ]
        parts.append(_section("Best thresholds", _table(head, rows)))
    parts.append(
        _section(
            "Mistakes: decided wrongly, then left open",
            _listed(report["mistakes"], _claim_mistake),
        )
    )
    switched = (("without", report["without"]), ("with", report["including"]))
    off = "".join(f", {word} {', '.join(names)}" for word, names in switched if names)
    return f"{report['claim_count']:,} claims against {report['statement_count']:,} statements{off}", "".join(parts)


def _claim_mistake(one: Report) -> str:
    speaker = f" ({escape(one['speaker'])})" if one["speaker"] else ""
    evidence = "".join(
        f'<p><span class="soft">{escape(_words(e["relation"]))}{", gold" if e["gold"] else ""}, '
        f"{_model_word(e)}, similarity {e['similarity']:.2f}"
        f"</span> {escape(e['speaker'] + ': ' if e['speaker'] else '')}{escape(e['text'])}</p>"
        for e in one["evidence"]
    )
    reason = _tag(_words(one["reason"])) if one["reason"] != "NONE" else ""
    return (
        f"<p>{_tag('gold: ' + _words(one['gold']))}{_tag('answer: ' + _words(one['answer']))}"
        f"{_sure(one)}{reason}</p>"
        f"<p><strong>{escape(one['claim'])}</strong>{speaker}</p>{evidence}"
    )


def _model_word(evidence: Report) -> str:
    if not evidence["entailment"] and not evidence["contradiction"]:
        return "off the topic and not read by the model"
    word = f"entailment {evidence['entailment']:.2f}, contradiction {evidence['contradiction']:.2f}"
    if weighed := evidence["weighed"]:
        word += f" (weighed {weighed['entailment']:.2f}, {weighed['contradiction']:.2f})"
    return word


def _documents(report: Report) -> tuple[str, str]:
    tiles = [(NAMES[key], _figure(figure)) for key, figure in report["figures"].items()]
    tiles.append(("Words a second", (f"{report['words_per_second']:,}", "")))
    kinds = [
        [row["kind"], f"{row['found']:,}", f"{row['right']:,}", _percent(row["right"] / row["found"])]
        for row in report["by_kind"]
    ]
    parts = [
        _tiles(tiles),
        _section("Kinds of attribution", _table(("kind", "found", "right", "right %"), kinds, wide=False)),
        _section("Cues missed most", _cues(report["missed_cues"])),
        _section("Cues wrong most", _cues(report["wrong_cues"])),
    ]
    for what, heading in (("missed", "Missed"), ("wrong", "Found and not annotated"), ("source", "Wrong source")):
        parts.append(_section(f"{heading} (a sample)", _listed(report["mistakes"][what], _document_mistake)))
    return (
        f"Who said what: {report['annotated_count']:,} attributions in {report['document_count']:,} documents",
        "".join(parts),
    )


def _document_mistake(one: Report) -> str:
    found = (
        f'<p><span class="soft">found instead</span> {escape(one["found_source"])}</p>' if "found_source" in one else ""
    )
    return (
        f"<p>{_tag(one['document'])}</p>"
        f'<p><span class="soft">source</span> {escape(one["source"] or "—")} '
        f'<span class="soft">cue</span> {escape(one["cue"])}</p>{found}'
        f'<p><span class="soft">content</span> {escape(one["content"])}</p>'
    )


# -- pieces --------------------------------------------------------------------------------------------------------


def _figure(figure: Report) -> tuple[str, str]:
    """A value in percent, and its interval."""
    if figure["value"] is None:
        return "—", ""
    return f"{_percent(figure['value'])} %", _between(figure)


def _tiles(tiles: Iterable[tuple[str, tuple[str, str]]]) -> str:
    cells = (
        f'<div class="tile"><span class="soft">{escape(name)}</span><b>{value}</b>'
        f'<span class="soft">{between}</span></div>'
        for name, (value, between) in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _charts(charts: Iterable[tuple[str, str]]) -> str:
    cells = (f'<div class="chart"><h3>{escape(title)}</h3>{chart}</div>' for title, chart in charts)
    return f'<div class="charts">{"".join(cells)}</div>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, wide: bool = True) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    style = ' class="wide"' if wide else ""
    return f'<div class="scroll"><table{style}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _matrix(report: Report, answers: Sequence[str]) -> str:
    """The confusion matrix; a darker cell holds a larger share of its row."""
    top = "".join(f"<th>{escape(_words(name))}</th>" for name in answers)
    rows = []
    for i, (label, counts) in enumerate(zip(report["classes"], report["confusion"], strict=True)):
        total = max(1, sum(counts))
        cells = "".join(
            f'<td style="background: rgba(var(--{"good" if i == j else "bad"}), {0.5 * n / total:.3f})">{n:,}'
            f'<br><span class="soft">{100 * n / total:.0f} %</span></td>'
            for j, n in enumerate(counts)
        )
        rows.append(f"<tr><td>{escape(_words(label))}</td>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="matrix"><thead><tr><th>gold \\ answer</th>{top}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _classes(report: Report) -> str:
    rows = [
        [_words(label), _percent(f["precision"]), _percent(f["recall"]), _percent(f["f1"]), f"{f['gold']:,}",
         f"{f['answered']:,}"]
        for label, f in report["by_class"].items()
    ]  # fmt: skip
    return _table(("class", "precision %", "recall %", "F1 %", "gold", "answered"), rows, wide=False)


def _cues(cues: Iterable[Sequence[Any]]) -> str:
    return f"<p>{' '.join(_tag(f'{cue} {count:,}') for cue, count in cues)}</p>"


def _listed(mistakes: Sequence[Report], shown: Callable[[Report], str]) -> str:
    if not mistakes:
        return '<p class="soft">None.</p>'
    return "".join(f'<div class="mistake">{shown(one)}</div>' for one in mistakes)


def _sure(one: Report) -> str:
    return _tag(f"confidence {one['confidence']:.2f}")


def _tag(text: str) -> str:
    return f'<span class="tag">{escape(text)}</span>'


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}"


def _between(figure: Report) -> str:
    return (
        "" if figure["interval"] is None else f"{100 * figure['interval'][0]:.1f} to {100 * figure['interval'][1]:.1f}"
    )

"""What people read: verdicts with their evidence, tables of statements. The drawing itself: `_draw`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from onrecord.cli._draw import Out, Table, Text
from onrecord.cli._report import complain, printable
from onrecord.types import (
    AmbiguousName,
    CheckResult,
    Collection,
    Evidence,
    IngestReport,
    Relation,
    Replay,
    SearchResult,
    ServerInfo,
    Stance,
    State,
    Statement,
    Verdict,
)

MAX_WIDTH = 110  # longer lines of prose are hard to read
TABLE_WIDTH = 100  # narrower terminals get statements one below the other

RIGHT = ("statements",)  # columns of numbers

VERDICT_STYLE = {
    Verdict.SUPPORTED: "bold green",
    Verdict.CONTRADICTED: "bold red",
    Verdict.CONFLICTING: "bold yellow",
    Verdict.NOT_ENOUGH_EVIDENCE: "bold cyan",
    Verdict.UNSPECIFIED: "bold",
}
RELATION_STYLE = {
    Relation.SUPPORTS: "green",
    Relation.CONTRADICTS: "red",
    Relation.NEUTRAL: "dim",
    Relation.UNSPECIFIED: "dim",
}


def check_result(result: CheckResult) -> None:
    """The verdict in one line, the explanation, then the evidence."""
    out = Out(MAX_WIDTH)
    style = VERDICT_STYLE[result.verdict]
    head = Text(words(result.verdict), style)
    head.append(f"  confidence {result.confidence:.2f}", style.removeprefix("bold").strip())
    if result.reason is not None:
        head.append(f"  ({words(result.reason).lower()})", "dim")
    out.print(head)
    if result.explanation:
        out.print(Text(printable(result.explanation)))
    ambiguous(result.ambiguous_names)
    if result.parts:
        out.print()
        out.print(_parts(result))
    for evidence in result.evidence:
        out.print()
        _evidence(out, evidence)


def _parts(result: CheckResult) -> Table:
    """The parts of a compound claim: number, verdict, confidence, words; who said it where the parts differ in that."""
    table = Table()
    table.column(style="bold", fixed=True)
    table.column()
    table.column(fixed=True)
    table.column()
    several = len({part.attribution.speaker for part in result.parts}) > 1
    for number, part in enumerate(result.parts, start=1):
        said = f"{printable(part.attribution.speaker)}: " if several and part.attribution.speaker else ""
        text = Text(f"{said}{printable(part.text)}")
        if part.reason is not None:
            text.append(f"  ({words(part.reason).lower()})", "dim")
        verdict = Text(words(part.verdict).lower(), VERDICT_STYLE[part.verdict])
        table.row(f"part {number}", verdict, Text(f"{part.confidence:.2f}"), text)
    return table


def _evidence(out: Out, evidence: Evidence) -> None:
    statement = evidence.statement
    head = Text(f"{words(evidence.relation).lower():<13}", RELATION_STYLE[evidence.relation])
    head.append(_attribution(statement))
    if evidence.part:
        head.append(f"  (part {evidence.part})", "dim")
    out.print(head)
    quote = Text(f"“{printable(evidence.quote or statement.text)}”")
    if evidence.truncated:
        quote.append(" (read in part)", "yellow")
    out.print(quote, indent=2)
    scores = evidence.scores
    facts = [f"similarity {evidence.similarity:.2f}", *(words(note) for note in evidence.notes)]
    if scores.entailment or scores.contradiction:  # else the model was not asked
        # what the thresholds see, where that is not the model's own word
        seen = evidence.weighed_scores or scores
        shown = ((name, getattr(scores, name), getattr(seen, name)) for name in ("entailment", "contradiction"))
        facts[:0] = [
            f"{name} {own:.2f}" + (f" (weighed {w:.2f})" if seen is not scores else "") for name, own, w in shown
        ]
    out.print(Text(" · ".join(facts), "dim"), indent=2)


def _attribution(statement: Statement) -> str:
    """Who, through whom, when: "Vladimir Putin, denied (relayed by People's Daily), 2021-08-29"."""
    speaker = printable(statement.speaker.name or statement.source.publisher) or "unknown speaker"
    stance = "" if statement.stance is Stance.ASSERTED else f", {statement.stance.lower()}"
    relayed = f" (relayed by {printable(statement.relayed_by)})" if statement.relayed_by else ""
    when = day(statement.stated_time or statement.source.publish_time)
    return f"{speaker}{stance}{relayed}{', ' + when if when else ''}"


def replay(then: Mapping[str, Any], replayed: Replay) -> None:
    """Whether a check made again came to the same, and what is not as it was then."""
    out = Out(MAX_WIDTH)
    now = replayed.result
    head = Text("same     " if replayed.same else "CHANGED  ", "bold" if replayed.same else "bold yellow")
    if not replayed.same:
        reason = then.get("reason")
        head.append(f"{words(str(then['verdict']))}{f' ({words(str(reason)).lower()})' if reason else ''} → ")
    style = VERDICT_STYLE[now.verdict]
    head.append(words(now.verdict), style)
    if now.reason is not None:
        head.append(f" ({words(now.reason).lower()})", "dim")
    head.append(f"  confidence {now.confidence:.2f}", style.removeprefix("bold").strip())
    out.print(head)
    out.print(printable(str(then["claim"])), indent=2)
    for change in replayed.changes:
        held = "  (left as then)" if change.held else ""
        out.print(Text.of((f"{words(change.kind).lower()}: ", "bold"), f"{printable(change.detail)}{held}"), indent=2)
        for item in change.statements:
            out.print(Text(f"{words(item.kind).lower()}: {printable(item.name)}", "dim"), indent=4)


def words(name: str) -> str:
    """A constant's name as words."""
    return printable(name.replace("_", " "))


def day(value: datetime | None) -> str:
    """The date alone; empty when unknown."""
    return "" if value is None else value.date().isoformat()


def ambiguous(names: Iterable[AmbiguousName]) -> None:
    """Names that more than one speaker goes by."""
    for name in names:
        complain(f"more than one speaker goes by {name.name!r}: {', '.join(name.speakers)}")


def statements(listed: Iterable[Statement], similarities: Iterable[float] = ()) -> None:
    """Statements in a table, or one below the other where a table would squeeze the text. Ids first, to be copied.

    similarities: of each, shown before its text.
    """
    out = Out(most=TABLE_WIDTH * 2)
    near = [f"{similarity:.2f}  " for similarity in similarities]
    rows = [
        (
            Text(short_id(statement.name), "cyan"),
            Text(printable(statement.speaker.name or statement.source.publisher)),
            Text(printable(statement.relayed_by)),
            Text(day(statement.stated_time or statement.source.publish_time), "dim"),
            Text.of((near[index] if near else "", "dim"), _text(statement)),
        )
        for index, statement in enumerate(listed)
    ]
    if out.width < TABLE_WIDTH:
        for identifier, speaker, relayed, when, text in rows:
            via = Text.of("via ", relayed) if relayed else Text()
            out.print(joined(identifier, speaker, via, when))
            out.print(text, indent=2)
        return
    table = Table()
    table.column("id", fixed=True)
    table.column("speaker", most=24)
    relayed_by = any(relayed for _, _, relayed, _, _ in rows)
    if relayed_by:
        table.column("relayed by", most=24)
    table.column("date", fixed=True)
    table.column("text")
    for identifier, speaker, relayed, when, text in rows:
        table.row(identifier, speaker, *((relayed,) if relayed_by else ()), when, text)
    out.print(table)


def found(results: Sequence[SearchResult]) -> None:
    """What a search found, best first."""
    similarities = [result.similarity for result in results]
    statements((result.statement for result in results), similarities)
    if similarities != sorted(similarities, reverse=True):
        note = "best first by words and meaning together; the figure is the similarity of meaning alone"
        Out(MAX_WIDTH).print(Text(note, "dim"))


def _text(statement: Statement) -> Text:
    marks = []
    if statement.stance is not Stance.ASSERTED:
        marks.append(statement.stance.lower())
    if statement.state is not State.ACTIVE:
        marks.append(statement.state.lower())
    return Text.of((f"[{', '.join(marks)}] " if marks else "", "yellow"), printable(statement.text))


def short_id(name: str) -> str:
    """The last part of a resource name; a dry run's statements have none."""
    return printable(name.rpartition("/")[2]) or "-"


def statement(shown: Statement) -> None:
    """Every field of one statement that says something."""
    out = Out(MAX_WIDTH)
    table = _fields()
    source = shown.source
    for label, value in (
        ("name", shown.name),
        ("text", shown.text),
        ("context", shown.context),
        ("speaker", shown.speaker.name),
        ("also called", ", ".join(shown.speaker.aliases)),
        ("relayed by", shown.relayed_by),
        ("stance", shown.stance.lower()),
        ("publisher", source.publisher),
        ("title", source.title),
        ("address", source.uri),
        ("published", day(source.publish_time)),
        ("said", day(shown.stated_time)),
        ("valid from", day(shown.valid_from)),
        ("valid until", day(shown.valid_until)),
        ("labels", ", ".join(shown.labels)),
        ("state", "" if shown.state is State.ACTIVE else f"{shown.state.lower()} since {day(shown.state_time)}"),
        ("superseded by", shown.superseded_by),
        ("document", shown.document),
        ("original", shown.original),
        ("on record since", _moment(shown.create_time)),
        ("last changed", "" if shown.update_time == shown.create_time else _moment(shown.update_time)),
        ("etag", shown.etag),
    ):
        if value:
            table.row(label, Text(printable(value)))
    out.print(table)


def _moment(value: datetime | None) -> str:
    return "" if value is None else value.isoformat(" ", "seconds")


def collections(listed: Iterable[Collection]) -> None:
    """Collections in a table."""
    grid(
        Out(MAX_WIDTH),
        ("id", "statements", "name"),
        (
            (
                Text(short_id(collection.name), "cyan"),
                Text(f"{collection.statement_count:,}"),
                Text(printable(collection.display_name)),
            )
            for collection in listed
        ),
    )


def collection(shown: Collection) -> None:
    """Every field of one collection that says something."""
    out = Out(MAX_WIDTH)
    table = _fields()
    waiting = f", {shown.pending_count:,} wait for their embedding" if shown.pending_count else ""
    for label, value in (
        ("name", shown.name),
        ("for people", shown.display_name),
        ("description", shown.description),
        ("statements", f"{shown.statement_count:,}{waiting}"),
        ("since", _moment(shown.create_time)),
        ("last changed", "" if shown.update_time == shown.create_time else _moment(shown.update_time)),
        ("etag", shown.etag),
    ):
        if value:
            table.row(label, Text(printable(value)))
    out.print(table)


def ingest_report(path: str, report: IngestReport, *, dry_run: bool) -> None:
    """What a document was read into."""
    out = Out(MAX_WIDTH)
    count = len(report.statements)
    noun = "statement" if count == 1 else "statements"
    head = Text(printable(path), "bold")
    if dry_run:
        head.append(f"  {count} {noun}, nothing stored (--dry-run)")
    elif report.already_ingested:
        head.append(f"  {count} {noun}, on the record before")
    else:
        head.append(f"  {count} {noun} put on the record")
    if report.publish_time is not None:
        head.append(f"  published {day(report.publish_time)}", "dim")
    out.print(head)
    if report.statements:
        statements(report.statements)


def info(target: str, shown: ServerInfo) -> None:
    """What runs at `target`."""
    out = Out(MAX_WIDTH)
    table = _fields()
    table.row("server", Text(f"onrecord {printable(shown.version)} at {printable(target)}"))
    for label, model in (("model", shown.model), ("encoder", shown.encoder)):
        fake = ", a FAKE for tests only" if model.fake else ""
        text = f"{model.model_id} ({model.revision[:12]}), {model.precision}, {model.max_tokens} tokens{fake}"
        table.row(label, Text(printable(text)))
    waiting = f", {shown.pending_count:,} wait for their embedding" if shown.pending_count else ""
    table.row("store", Text(f"{printable(shown.store)}, {shown.statement_count:,} statements{waiting}"))
    options = {name: value for name, value in shown.default_options.to_dict().items() if value is not None}
    for index, (name, value) in enumerate(options.items()):
        table.row("" if index else "defaults", Text(f"{words(name)}: {printable(str(value))}"))
    out.print(table)
    out.print()
    rows = (
        tuple(
            Text(printable(cell)) for cell in (words(limit.name), f"{limit.value:,} {limit.unit}", limit.error_reason)
        )
        for limit in shown.limits
    )
    grid(out, ("limit", "most", "what exceeds it gets"), rows)


def config(path: str, there: bool, rows: Iterable[Mapping[str, object]]) -> None:
    """The settings, each with where it comes from."""
    out = Out(MAX_WIDTH)
    out.print(Text.of((printable(path), "bold"), "" if there else "  (not there)"))
    grid(
        out,
        ("setting", "value", "from"),
        (
            (
                Text(str(row["name"]), "" if row["from"] == "default" else "bold"),
                Text(_value(row["value"]) or "-"),
                Text(printable(str(row["from"])), "dim" if row["from"] == "default" else "cyan"),
            )
            for row in rows
        ),
    )


def _value(value: object) -> str:
    if isinstance(value, list):
        return printable(" ".join(map(str, value)))
    return "" if value is None else printable(str(value))


def joined(*parts: Text) -> Text:
    """Those parts that say something, as one line."""
    line = Text()
    for part in filter(None, parts):
        line.append("  " if line else "")
        line.append(part)
    return line


def grid(out: Out, heads: tuple[str, ...], rows: Iterable[tuple[Text, ...]]) -> None:
    """A table whose last columns fold; where the terminal is too narrow for one, a row is a line that wraps."""
    listed = list(rows)
    needed = sum(max(row[i].width() for row in [*listed, tuple(map(Text, heads))]) + 2 for i in range(len(heads) - 1))
    if needed > out.width // 2 + out.width // 4:
        for row in listed:
            out.print(joined(*row))
        return
    table = Table()
    for head in heads[:-1]:
        table.column(head, fixed=True, right=head in RIGHT)
    table.column(heads[-1])
    for row in listed:
        table.row(*row)
    out.print(table)


def _fields() -> Table:
    table = Table()
    table.column(style="bold", fixed=True)
    table.column()
    return table

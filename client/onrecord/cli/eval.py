"""`onrecord eval`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import onrecord
from onrecord._install import how_to_install
from onrecord.cli._datasets import Datasets
from onrecord.cli._evaluation import cache_folder, engine, kept_pairs, load_model, model_options
from onrecord.cli._files import probe, refuse_stdin_twice
from onrecord.cli._options import setting
from onrecord.cli._output import refuse_unwritable, write_lines
from onrecord.cli._progress import progress, working
from onrecord.cli._report import emit


@click.command("eval")
@click.argument("files", nargs=-1, metavar="[PAIRS.jsonl]...")
@click.option("--pairs", multiple=True, metavar="FILE...", help="Labelled pairs: the model alone. Repeatable.")
@click.option("--claims", metavar="FILE", help="Claims with verdicts, with --statements: all of it, end to end.")
@click.option(
    "--statements",
    multiple=True,
    metavar="FILE",
    help="The record for --claims: a .jsonl of statements, or a document. Repeatable.",
)
@click.option("--documents", metavar="FILE", help="Texts with attributions: who said what.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N items of each file.")
@click.option(
    "--without", multiple=True, metavar="NAME", help="With --claims: switch a part of the rule off. Repeatable."
)
@click.option(
    "--with",
    "including",
    multiple=True,
    metavar="NAME",
    help="With --claims: switch a part on that is off by default. Repeatable.",
)
@click.option("--ablation", is_flag=True, help="With --claims: also measure without each part of the rule in turn.")
@click.option(
    "--sweep",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="With --claims: also search the thresholds with at most so many false contradictions. For development data.",
)
@model_options
@click.option("--calibration", metavar="FILE", help="Calibration of the model.  [default: the one beside it]")
@setting("--encoder", default="builtin", metavar="NAME", help="Encoder, with --claims.")
@click.option(
    "--attribution", type=click.Choice(["auto", "rules", "tagger"]), default="auto",
    help="Who reads --documents: the rules alone or with the tagger.",
)  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON; - is stdout, without the table.")
@click.option("--html", "html_file", metavar="FILE", help="Write the report as one page with diagrams.")
def command(
    files: tuple[str, ...],
    pairs: tuple[str, ...],
    claims: str | None,
    statements: tuple[str, ...],
    documents: str | None,
    limit: int | None,
    without: tuple[str, ...],
    including: tuple[str, ...],
    ablation: bool,
    sweep: float | None,
    model: str,
    model_revision: str | None,
    precision: str,
    threads: int | None,
    cache: str | None,
    no_cache: bool,
    skip_bad: bool,
    calibration: str | None,
    encoder: str,
    attribution: str,
    json_file: str | None,
    html_file: str | None,
) -> None:
    """Measure how right it is, on data with answers; one of three modes.

    \b
    onrecord eval dev/*.jsonl.gz --html report.html
    onrecord eval --claims claims.jsonl --statements record.jsonl --ablation
    onrecord eval --documents annotated.jsonl

    Files are JSON, one object a line, and may be packed (.gz); docs/evaluation.md has their fields and what each figure
    means. Scores are kept as they are made: after Ctrl-C the same command goes on where it was.
    """
    listed = (*pairs, *files)
    modes = [bool(listed), claims is not None, documents is not None]
    if sum(modes) != 1:
        raise click.UsageError("give pairs, or --claims with --statements, or --documents: one of them")
    if (claims is None) != (not statements):
        raise click.UsageError("--claims and --statements belong together")
    if claims is None and (without or including or ablation or sweep is not None):
        raise click.UsageError("--without, --with, --ablation and --sweep are for --claims")
    inputs = [p for p in (*listed, claims, *statements, documents) if p is not None]
    refuse_stdin_twice(inputs)
    if html_file == "-":
        raise click.UsageError("--html needs the name of a file")
    if sweep is not None and sweep != sweep:
        raise click.UsageError("--sweep needs a number")
    refuse_unwritable(json_file, html_file, inputs=[*inputs, *filter(None, [calibration])])
    folder = cache_folder(cache, no_cache)
    began = time.monotonic()
    with engine(folder):
        data = Datasets(skip_bad=skip_bad)
        if documents is not None:
            report = _documents(data, documents, limit, attribution)
        elif claims is not None:
            report = _claims(
                data, claims, statements, limit, without, including, ablation, sweep, folder,
                (model, model_revision, precision, threads, calibration), encoder,
            )  # fmt: skip
        else:
            report = _pairs(data, listed, limit, folder, (model, model_revision, precision, threads, calibration))
        report["onrecord_version"] = onrecord.__version__
        report["passed_over_lines"] = data.passed_over
        report["seconds"] = round(time.monotonic() - began, 1)
        if html_file is not None:
            from onrecord_server.evaluation.page import render

            write_lines(html_file, [render(report)])
    if json_file == "-":
        emit(report)
        return
    if json_file is not None:
        write_lines(json_file, [json.dumps(report, indent=1)])
    from onrecord.cli import _figures

    _figures.report(report)


_Model = tuple[str, str | None, str, int | None, str | None]


def _pairs(
    data: Datasets, paths: Sequence[str], limit: int | None, cache: Path | None, model: _Model
) -> dict[str, Any]:
    from onrecord_server.evaluation.pairs import evaluate_pairs

    sets = data.pair_sets(paths, limit)
    scorer = load_model(*model)
    with progress("scoring", "pairs", sum(len(one.pairs) for one in sets)) as advance:
        report = evaluate_pairs(scorer, sets, kept_pairs(cache, scorer), advance)
    return _described(scorer, model[4]) | report


def _claims(
    data: Datasets,
    path: str,
    statements: Sequence[str],
    limit: int | None,
    without: Sequence[str],
    including: Sequence[str],
    ablation: bool,
    sweep: float | None,
    cache: Path | None,
    model: _Model,
    encoder_name: str,
) -> dict[str, Any]:
    from onrecord_server.domain.switches import Switches
    from onrecord_server.evaluation.verdicts import evaluate_claims
    from onrecord_server.nli import load_encoder

    try:
        Switches().including(including).without(without)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    probe(path)
    record, claims = data.record(statements), data.claims(path, limit)
    scorer = load_model(*model)
    with working("loading the encoder"):
        encoder = load_encoder(encoder_name)
    report = evaluate_claims(
        scorer,
        encoder,
        claims,
        record,
        cache=cache,
        progress=progress,
        without=without,
        including=including,
        ablation=ablation,
        sweep=None if sweep is None else sweep / 100,
    )
    described = {"encoder": {"id": encoder.info.model_id, "revision": encoder.info.revision}}
    return _described(scorer, model[4]) | described | report


def _documents(data: Datasets, path: str, limit: int | None, attribution: str) -> dict[str, Any]:
    from onrecord_server.evaluation.documents import evaluate_documents
    from onrecord_server.nli import find_tagger

    tagger = None if attribution == "rules" else find_tagger()
    if tagger is None and attribution == "tagger":
        raise click.UsageError(f"--attribution tagger: its weights are not installed: {how_to_install('server')}")
    documents = data.documents(path, limit)
    with progress("reading", "documents", len(documents)) as advance:
        return evaluate_documents(documents, advance, tagger=tagger)


def _described(scorer: Any, calibration: str | None) -> dict[str, Any]:
    info = scorer.info
    return {
        "model": {"id": info.model_id, "revision": info.revision, "precision": info.precision, "fake": info.fake},
        "calibration": {"method": scorer.calibration.method, "file": calibration},
    }

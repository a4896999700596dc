"""`onrecord calibrate`."""

from __future__ import annotations

import json

import click

from onrecord.cli._datasets import Datasets
from onrecord.cli._evaluation import cache_folder, engine, kept_pairs, load_model, model_options
from onrecord.cli._files import refuse_stdin_twice
from onrecord.cli._output import refuse_unwritable, write_lines
from onrecord.cli._progress import progress
from onrecord.cli._report import InputError, complain, emit, say

METHODS = ("auto", "none", "temperature", "vector", "isotonic")


@click.command("calibrate")
@click.argument("pairs", nargs=-1, required=True, metavar="PAIRS.jsonl...")
@click.option(
    "-o",
    "--output",
    default="calibration.json",
    show_default=True,
    metavar="FILE",
    help="File to write; - is stdout, without the table.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="auto takes the best on pairs held out; the simplest, unless another is better by more than a standard error.",
)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Parts, each held out once.")
@click.option(
    "--hold-out",
    type=click.Choice(["pairs", "sets"]),
    default="pairs",
    show_default=True,
    help="Hold out pairs of every set, or whole sets, which tells how it carries over to other text.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N pairs of each file.")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    pairs: tuple[str, ...],
    output: str,
    method: str,
    folds: int,
    hold_out: str,
    limit: int | None,
    model: str,
    model_revision: str | None,
    precision: str,
    threads: int | None,
    cache: str | None,
    no_cache: bool,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Fit what makes a model's probabilities mean what they say, on labelled pairs, and write it to a file.

    \b
    onrecord calibrate dev/*.jsonl -o calibration.json --model MODEL

    Lines are {"premise": "...", "hypothesis": "...", "label": "..."}, the label entailment, neutral or contradiction;
    files may be packed (.gz). Files in which not all three labels occur are left out. Temperature scaling, vector
    scaling and isotonic regression are compared on pairs that they were not fitted on; the best is then fitted on all.

    The file works with `serve`, `check`, `batch` and `eval` as --calibration FILE, or, named calibration.json, beside
    the model's weights; --calibration wins. Do not calibrate on what the model was trained on, nor judge on what it
    was calibrated on.
    """
    refuse_stdin_twice(pairs)
    refuse_unwritable(output, inputs=pairs)
    folder = cache_folder(cache, no_cache)
    with engine(folder):
        from onrecord_server.evaluation.calibrate import TooFewPairs, file_content, make_calibration

        sets = Datasets(skip_bad=skip_bad).pair_sets(pairs, limit)
        # a calibration beside the model takes no part, and a spoilt one must not be in the way of its successor
        scorer = load_model(model, model_revision, precision, threads, "none")
        total = sum(len(one.pairs) for one in sets if one.complete)
        with progress("scoring", "pairs", total) as advance:
            try:
                calibration, report = make_calibration(
                    scorer,
                    sets,
                    kept_pairs(folder, scorer),
                    advance,
                    method=None if method == "auto" else method,
                    folds=folds,
                    whole_sets=hold_out == "sets",
                )
            except TooFewPairs as error:
                raise InputError(str(error)) from None
        content = json.dumps(file_content(calibration, report, scorer), indent=1)
    for name in report["left_out"]:
        complain(f"{name}: not all three labels occur in it, left out")
    if output == "-":
        click.echo(content)
        return
    write_lines(output, [content])
    if as_json:
        emit(report | {"file": output})
        return
    from onrecord.cli import _figures

    _figures.calibration(report)
    say(f"written to {output}; use it with --calibration {output}, or put it beside the weights as calibration.json")

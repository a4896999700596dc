"""What `eval` and `calibrate` share: options, loading of the models, words for their errors."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onrecord.cli._options import missing, setting
from onrecord.cli._progress import working
from onrecord.cli._report import InputError, complain

if TYPE_CHECKING:
    from onrecord_server.evaluation.cache import RecordFile
    from onrecord_server.nli import CalibratedScorer

Function = TypeVar("Function", bound=Callable[..., Any])


def model_options(function: Function) -> Function:
    """--model, --model-revision, --precision, --threads, --cache, --no-cache, --skip-bad."""
    for option in (
        click.option("--skip-bad", is_flag=True, help="Report bad lines and pass over them, instead of stopping."),
        click.option("--no-cache", is_flag=True, help="Keep nothing for the next run, and use nothing of the last."),
        click.option(
            "--cache",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Where scores and embeddings are kept, so that a run goes on where it was interrupted and a second "
            "one takes seconds.  [default: onrecord/eval in the user's cache folder]",
        ),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads.  [default: one per core]"),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "int8"]),
            default="auto",
            show_default=True,
            help="Arithmetic of the NLI model.",
        ),
        click.option("--model-revision", metavar="REV", help="Revision of a hub model."),
        setting(
            "--model",
            default="builtin",
            show_default=True,
            metavar="NAME",
            help="NLI model: builtin, a folder, a hub id, or fake.",
        ),
    ):
        function = option(function)
    return function


def cache_folder(given: str | None, no_cache: bool) -> Path | None:
    """Where results are kept; None for nowhere. InputError when the folder cannot be made."""
    if no_cache:
        if given is not None:
            raise click.UsageError("give --cache or --no-cache, not both")
        return None
    import platformdirs

    folder = Path(given) if given else platformdirs.user_cache_path("onrecord", appauthor=False) / "eval"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; give --cache another folder, or --no-cache") from None
    return folder


def load_model(
    model: str, revision: str | None, precision: str, threads: int | None, calibration: str | None
) -> CalibratedScorer:
    """The NLI model."""
    from onrecord_server.nli import load_scorer

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with working("loading the model"):
        return load_scorer(model, revision=revision, precision=precision, threads=threads, calibration=calibration)


class _Notes(logging.Handler):
    """What the server's packages would log, as lines of a command; of a failure the command has words of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info:
            complain(record.getMessage())


@contextmanager
def engine(folder: Path | None) -> Iterator[None]:
    """Errors of the server's packages in a command's words; an interrupt says how to go on."""
    try:
        importlib.import_module("onrecord_server.evaluation.cache")  # its dependencies are the server's
        from onrecord_server.domain import errors
    except ModuleNotFoundError as error:
        raise missing(error) from None
    notes = _Notes(logging.WARNING)
    logging.getLogger("onrecord_server").addHandler(notes)
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("onrecord"):
            raise
        raise missing(error) from None
    except (errors.InvalidInput, errors.ConfigError) as error:
        raise InputError(error.message) from None
    except errors.OnrecordError as error:
        raise click.ClickException(error.message) from None
    except KeyboardInterrupt as error:
        if folder is not None:
            error.add_note(f"what was done is kept in {folder}; the same command goes on from there")
        raise
    finally:
        logging.getLogger("onrecord_server").removeHandler(notes)


def kept_pairs(cache: Path | None, scorer: CalibratedScorer) -> RecordFile:
    """Where this model's pair scores are kept."""
    from onrecord_server.evaluation.scoring import pair_file

    return pair_file(cache, scorer.info)

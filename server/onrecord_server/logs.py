"""Log lines on stderr, for people or as JSON. Claim and statement texts are never logged.

A line that is written while a call is answered carries the call's `request_id`, whoever writes it.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

# Of the call that is being answered; "" outside of one. Each call has a task, and so a context, of its own.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")

# Fields of access lines (rpc/access.py). request_id is on every line that has one.
_FIELDS = (
    "request_id", "trace_id", "method", "code", "reason", "ms", "peer",
    "received", "received_bytes", "sent", "sent_bytes", "failed_items",
)  # fmt: skip


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what is known of the call, and a traceback's text."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people; the request id, where there is one, stands at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without the traceback that may follow."""
        line = super().formatMessage(record)
        request_id = getattr(record, "request_id", "")
        return f"{line} [{request_id}]" if request_id else line


def configure_logging(level: str, style: str) -> None:
    """Log to stderr from `level` up, as "text" or "json"."""
    handler = logging.StreamHandler()
    text = TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style == "json" else text)
    handler.addFilter(_with_request_id)
    handler.addFilter(_but_callers_who_left)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("onrecord_server").setLevel(level.upper())


def _with_request_id(record: logging.LogRecord) -> bool:
    """Give the record the id of the call that is being answered; lets every record pass."""
    if (request_id := current_request_id.get()) and not hasattr(record, "request_id"):
        record.request_id = request_id
    return True


def _but_callers_who_left(record: logging.LogRecord) -> bool:
    """Leave out what grpc says, as an error with a traceback, when a caller leaves as its answer is being sent."""
    kind = record.exc_info[0] if record.exc_info else None
    return not (record.name.startswith("grpc.") and kind is not None and kind.__name__ == "ExecuteBatchError")

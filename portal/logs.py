"""How log lines look, as text or as JSON; each goes through portal/hiding.py when it is whole, so that arguments,
exceptions and tracebacks are covered like the message itself."""

import json
import logging
import logging.config
import re
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from lsq_ops import request_ids
from portal.hiding import Hiding

# A line of somebody else's making must not look like one of ours.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
TEXT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s"


class _Hidden(logging.Formatter):
    """What both formats share: whatever goes wrong on the way, no line leaves as it came."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(TEXT)
        self.hiding = Hiding(secrets)

    def format(self, record: logging.LogRecord) -> str:
        try:
            message, trace = self.hiding.text(_message(record)), self.hiding.text(_trace(self, record))
        except Exception as error:  # logging itself would print the call's arguments
            message, trace = f"(a line that could not be cleared of secrets: {type(error).__name__})", ""
        return self.line(record, message, trace)

    def line(self, record: logging.LogRecord, message: str, trace: str) -> str:
        raise NotImplementedError


class Text(_Hidden):
    """One line, and below it the traceback where there is one."""

    def line(self, record: logging.LogRecord, message: str, trace: str) -> str:
        known = {"asctime": self.formatTime(record), "request_id": getattr(record, "request_id", "") or "-"}
        line = TEXT % {**vars(record), **known, "message": _one_line(message)}
        return f"{line}\n{trace}" if trace else line


class Json(_Hidden):
    """One object on one line. Only these fields: what else a record carries may be anything."""

    def line(self, record: logging.LogRecord, message: str, trace: str) -> str:
        facts: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", ""),
            "process": record.process,
            "message": message,
        }
        return json.dumps(facts | ({"trace": trace} if trace else {}), ensure_ascii=False)


FORMATS = {"text": Text, "json": Json}


def _message(record: logging.LogRecord) -> str:
    """A call that was written wrong must not lose its line, and not print its arguments either, as logging would."""
    try:
        return record.getMessage()
    except Exception as error:
        return f"(could not be written: {type(error).__name__}) {record.msg if isinstance(record.msg, str) else ''}"


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], text)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Made anew, not taken from the record: another handler may have kept it there as it was."""
    parts = []
    if record.exc_info and record.exc_info is not True:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


# --- Put in place ----------------------------------------------------------------------------------------------------


def configure(config: dict[str, Any]) -> None:
    """LOGGING_CONFIG: each record carries the id of its request or job, and what nobody caught ends in the log, too."""
    logging.config.dictConfig(config)
    if not isinstance(logging.getLogRecordFactory(), _Record):
        logging.setLogRecordFactory(_Record(logging.getLogRecordFactory()))
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class _Record:
    def __init__(self, make: Any) -> None:
        self.make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        record.request_id = request_ids.current()
        return record


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("lsq_ops").critical("An error that nobody caught.", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: Any) -> None:
    if not issubclass(args.exc_type, SystemExit):
        _uncaught(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)

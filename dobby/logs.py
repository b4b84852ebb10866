"""Logs to stderr that carry ids, not bodies; one filter takes out what looks like a secret or a telephone number.

It does not know who logs.
"""

import logging
import os
import re
import sys

SECRETS = re.compile(
    r"(?P<url>\b[a-z][a-z0-9+.-]*://)[^\s/@:]+:[^\s/@]+@"  # user:password@ in an address
    r"|(?P<name>token|secret|passw(?:or)?d|passphrase|authorization|cookie|api[_-]?key|session|code)(?P<is>['\"]?\s*[=:]\s*)"
    r"(?:'[^']*'|\"[^\"]*\"|(?:bearer |basic )?[^\s'\",&]+)"
    r"|(?<![\w.])(?:\+|00)\d[\d ()/-]{6,}\d",  # telephone numbers as people and Twilio write them
    re.IGNORECASE,
)
PRIORITIES = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>", logging.CRITICAL: "<2>"}


def redact(text: str) -> str:
    """A text without what nobody should read in a log."""
    return SECRETS.sub(_blank, text)


def _blank(found: "re.Match[str]") -> str:
    if found["url"]:
        return f"{found['url']}…@"
    return f"{found['name']}{found['is']}…" if found["name"] else "+…"


class Redacting(logging.Formatter):
    """Formats, then redacts: tracebacks and arguments included."""

    def __init__(self, journald: bool) -> None:
        super().__init__("%(name)s: %(message)s" if journald else "%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line (or more, with a traceback)."""
        text = redact(super().format(record))
        return PRIORITIES.get(record.levelno, "<5>") + text.replace("\n", "\n  ") if self._journald else text


def start_logging(verbose: bool = False) -> None:
    """To stderr; in journald's own form where systemd reads it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting(journald="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    for noisy in ("aiohttp.access", "soco", "amqtt", "transitions", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

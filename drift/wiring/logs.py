"""Logs: one event a line, a past-tense phrase and key-values; for people on a terminal, as JSON where told so."""

import logging
from typing import TextIO

import structlog

from drift.config import Settings


def configure(settings: Settings, stream: TextIO) -> None:
    """Log to `stream`, our own events and those of the libraries alike."""
    form = structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer(colors=False)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, form],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=form, foreign_pre_chain=shared))
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a clock whose work takes longer than a turn is no news
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)

"""What runs write to the console: our messages. Dagster's own account of every step is in its storage."""

from __future__ import annotations

import logging

import dagster as dg


@dg.logger(
    config_schema={
        "log_level": dg.Field(str, default_value="INFO", description="DEBUG shows every event of a run"),
        "name": dg.Field(str, default_value="dagster"),
    },
    description="Dagster's console logger without the events of every step.",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Dagster's own console logger with another default level."""
    return dg.colored_console_logger.logger_fn(context)

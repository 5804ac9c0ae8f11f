"""What ``--verbose`` adds: the log of our own modules, on stderr."""

import logging

import click

from packhorse.base.printable import printable

__all__ = ["show_diagnostics"]


class _OnStderr(logging.Handler):
    """Prints each record as a line to what is stderr at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(printable(self.format(record)), err=True)


def show_diagnostics() -> None:
    """Print what the modules of Packhorse log; calling it again changes nothing.

    Other libraries stay silent: what they log about requests may contain tokens.
    """
    logger = logging.getLogger("packhorse")
    if any(isinstance(handler, _OnStderr) for handler in logger.handlers):
        return
    handler = _OnStderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

"""Passwords, from stdin where they are asked for there."""

import sys

import click

from packhorse.base.errors import UsageError

__all__ = ["password_option", "read_password"]

_LONGEST = 4096

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from stdin; without it one is drawn and printed once."
)


def read_password() -> str:
    """Read one line from stdin.

    Raises:
        UsageError: There is none.
    """
    password = sys.stdin.readline(_LONGEST).rstrip("\r\n")
    if not password:
        raise UsageError("expected the password on stdin, found nothing")
    return password

"""Permission bits as people write them: ``0755``, ``'0755'``, ``0o755``."""

import re

from packhorse.base.errors import ConfigError

__all__ = ["parse_mode"]

_OCTAL = re.compile(r"(?:0o?)?([0-7]{3,4})", re.ASCII)
_HIGHEST = 0o7777


def parse_mode(mode: str | int) -> int:
    """Return the bits.

    Args:
        mode: Octal digits as text, or the number that YAML 1.1 makes of ``0755`` (493).

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(mode, str):
        found = _OCTAL.fullmatch(mode)
        if found is None:
            raise ConfigError(f"expected octal permission bits as '0755', found {mode[:20]!r}")
        return int(found[1], 8)
    if not 0 <= mode <= _HIGHEST:
        raise ConfigError(f"expected octal permission bits up to 07777, found {mode}")
    return mode

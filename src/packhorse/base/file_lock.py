"""The lock on an open file, which the kernel lets go of when the process ends, however it ends (flock(2))."""

import errno
import fcntl
from typing import Final

__all__ = ["try_lock"]

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""What file systems without locks answer."""


def try_lock(fd: int) -> bool | None:
    """Lock an open file; False when somebody else has it locked, None when there are no locks here.

    Raises:
        OSError: It can't be locked for another reason.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True

"""What several images stand on."""

from collections.abc import Mapping

from corpus.sources import Debian, Folders, Texts, Together

__all__ = ["DEBIAN", "PATH", "labels", "user"]

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEBIAN = Debian(
    (
        "base-files",
        "base-passwd",
        "bash",
        "coreutils",
        "dash",
        "debianutils",
        "diffutils",
        "findutils",
        "grep",
        "gzip",
        "hostname",
        "libc-bin",
        "login",
        "mawk",
        "ncurses-base",
        "ncurses-bin",
        "sed",
        "sysvinit-utils",
        "tar",
        "tzdata",
        "usr-is-merged",
        "util-linux",
    ),
    without=("adduser", "debconf", "dpkg", "init-system-helpers", "passwd", "perl-base"),
)
"""The userland of Debian's slim image, without what only installing packages needs."""


def user(name: str, number: int, home: str, *folders: str) -> Together:
    """Make the user database with root, nobody and one more, who owns ``folders``."""
    accounts = {"root": (0, "/root"), "nobody": (65534, "/nonexistent"), name: (number, home)}
    passwd = "".join(f"{who}:x:{uid}:{uid}:{who}:{path}:/usr/sbin/nologin\n" for who, (uid, path) in accounts.items())
    groups = "".join(f"{who}:x:{uid}:\n" for who, (uid, _) in accounts.items())
    return Together(
        (
            Folders(("/tmp",), mode=0o1777),  # noqa: S108 - the folder of the image
            Folders(("/root",), mode=0o700),
            Folders(tuple(folders), mode=0o750, uid=number, gid=number),
            Texts({"/etc/passwd": passwd, "/etc/group": groups}),
        )
    )


def labels(title: str, version: str, licence: str) -> Mapping[str, str]:
    """Give the labels that the image specification has for what is in an image."""
    names = {"title": title, "version": version, "licenses": licence}
    return {f"org.opencontainers.image.{name}": value for name, value in names.items()}

"""Numbers as people read them."""

__all__ = ["mib", "multiple", "seconds", "size"]

_KIB = 1024
_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_ROUND_FROM = 10


def seconds(value: float) -> str:
    """Three digits that count: ``0.243``, ``1.62``, ``12.9``."""
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < _ROUND_FROM else f"{value:.1f}"


def multiple(value: float) -> str:
    """A ratio: ``0.83``, ``1.31``, ``12``."""
    return f"{value:.2f}" if value < _ROUND_FROM else f"{value:.0f}"


def mib(value: int) -> str:
    """Whole MiB, with a separator for thousands."""
    return f"{value / _MIB:,.0f}"


def size(value: float) -> str:
    """The unit that fits: ``1.42 GiB``, ``384 MiB``, ``400 KiB``."""
    if value >= _GIB:
        return f"{value / _GIB:.2f} GiB"
    return f"{value / _MIB:.0f} MiB" if value >= _MIB else f"{value / _KIB:.0f} KiB"

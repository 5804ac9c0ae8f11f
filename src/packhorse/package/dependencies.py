"""The order of components: who waits for whom."""

from collections.abc import Iterable, Iterator, Mapping

from packhorse.base.errors import ConfigError

__all__ = ["cycles", "in_order"]


def cycles(edges: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Yield circles of names, each of which depends on the next and the last on the first.

    Every name that is part of a circle is in at least one that is found; a name is walked through once.

    Args:
        edges: What each name depends on; names that are no key depend on nothing.
    """
    finished: set[str] = set()
    for start in edges:
        trail: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = []
        if start not in finished:
            trail.append(start)
            stack.append((start, iter(edges[start])))
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                trail.pop()
                finished.add(name)
            elif following in trail:
                yield tuple(trail[trail.index(following) :])
            elif following not in finished:
                trail.append(following)
                stack.append((following, iter(edges.get(following, ()))))


def in_order(names: Iterable[str], edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return ``names`` so that each stands after what it depends on, and else in their own order.

    Args:
        names: All that is to be ordered.
        edges: What each depends on; what is not among ``names`` is left out.

    Raises:
        ConfigError: They depend on each other.
    """
    for cycle in cycles(edges):
        raise ConfigError(f"components depend on each other: {' → '.join((*cycle, cycle[0]))}")
    wanted = dict.fromkeys(names)
    done: dict[str, None] = {}
    stack = list(reversed(wanted))
    while stack:
        name = stack[-1]
        before = [other for other in edges.get(name, ()) if other in wanted and other not in done]
        if name in done or not before:
            done.setdefault(stack.pop())
        else:
            stack.extend(reversed(before))
    return list(done)

"""In which order things go: custom resources before the operators that tidy up after them, else as they came. Pure."""

from collections.abc import Iterable, Sequence

from packhorse.deploy.kind_order import CHARTS, CUSTOM, rank
from packhorse.deploy.model import ChartAction, ObjectAction, Stage, Step

__all__ = ["removal_stages"]


def removal_stages(objects: Sequence[tuple[str, ObjectAction]], charts: Sequence[ChartAction]) -> tuple[Stage, ...]:
    """Return the stages in which objects and charts go, the last component first; empty ones are left out.

    Args:
        objects: Each with its component, in the order in which they came.
        charts: In the order in which they came.
    """
    names = dict.fromkeys([*(component for component, _ in objects), *(chart.component for chart in charts)])
    stages: list[Stage] = []
    for name in reversed(names):
        own = [action for component, action in objects if component == name]
        stages.append(Stage(name, _reversed(own, lowest=CUSTOM)))
        own_charts: list[Step] = [chart for chart in reversed(charts) if chart.component == name]
        above = _reversed(own, lowest=CHARTS + 1, highest=CUSTOM - 1)
        below = _reversed(own, lowest=0, highest=CHARTS)
        stages.append(Stage(name, (*above, *own_charts, *below)))
    return tuple(stage for stage in stages if stage.steps)


def _reversed(actions: Iterable[ObjectAction], *, lowest: int, highest: int | None = None) -> tuple[Step, ...]:
    chosen = [
        action
        for action in actions
        if rank(action.identity) >= lowest and (highest is None or rank(action.identity) <= highest)
    ]
    chosen.reverse()
    return tuple(sorted(chosen, key=lambda action: -rank(action.identity)))

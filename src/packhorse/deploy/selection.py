"""Which components are deployed, and in which order. Pure."""

from collections.abc import Collection, Mapping

from packhorse.base.errors import ConfigError, UsageError
from packhorse.base.spelling import nearest
from packhorse.package.model import Component, Package

__all__ = ["select_components"]


def select_components(
    package: Package, *, chosen: Collection[str] = (), without: Collection[str] = (), deployed: Collection[str] = ()
) -> tuple[Component, ...]:
    """Return the components to deploy, each after those that it depends on, else in the order of the definition.

    Args:
        package: The definition.
        chosen: Optional components asked for.
        without: Optional components not wanted, though they are default or deployed.
        deployed: Components of the release as it is: an optional one that was chosen once stays chosen.

    Raises:
        UsageError: A name is not that of a component, one is both chosen and not wanted, one that is not wanted isn't
            optional, or another component depends on it.
        ConfigError: Components depend on each other in a circle, or on one that isn't there.
    """
    components = {component.name: component for component in package.components}
    for name in (*chosen, *without):
        if name not in components:
            near = nearest(name, components)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(components)}"
            raise UsageError(f"the package {package.metadata.name} has no component {name!r}", hint=hint)
    for name in without:
        if not components[name].optional:
            raise UsageError(f"the component {name!r} is not optional, it can't be left out")
        if name in chosen:
            raise UsageError(f"the component {name!r} is both chosen and left out")
    wanted = {
        name
        for name, component in components.items()
        if name not in without and (not component.optional or component.default or name in chosen or name in deployed)
    }
    ordered = _in_order(components, [name for name in components if name in wanted])
    for component in ordered:
        for name in component.depends_on:
            if name in without:
                raise UsageError(
                    f"the component {name!r} can't be left out: {component.name!r} depends on it",
                    hint=f"leave out {component.name!r} too" if component.optional else None,
                )
    return ordered


def _in_order(components: Mapping[str, Component], names: Collection[str]) -> tuple[Component, ...]:
    done: dict[str, Component] = {}
    under_way: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in under_way:
            circle = " → ".join([*under_way[under_way.index(name) :], name])
            raise ConfigError(f"components depend on each other in a circle: {circle}")
        under_way.append(name)
        for needed in components[name].depends_on:
            if needed not in components:
                raise ConfigError(f"the component {name!r} depends on {needed!r}, which is none of the package's")
            visit(needed)
        under_way.pop()
        done[name] = components[name]

    for name in names:
        visit(name)
    return tuple(done.values())

"""The pages for people who open the registry's address in a browser: read-only, whole without any script.

:mod:`~packhorse.registry.pages.site` decides what to show, from a :class:`~packhorse.registry.ports.Catalog`;
:mod:`~packhorse.registry.pages.views` writes it, through :mod:`~packhorse.registry.pages.markup`, which escapes all
that it is not told to be markup.
"""

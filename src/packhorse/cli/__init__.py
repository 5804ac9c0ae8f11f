"""The command line: arguments in, use cases of ``app`` called, results drawn.

It knows click, rich, the environment and exit codes, and decides nothing about packages or bundles. One verb is one
module ``<verb>_command.py`` that exposes ``command``; :mod:`packhorse.cli.verbs` lists them, and
:func:`packhorse.cli.main.entry` is where the console script starts.
"""

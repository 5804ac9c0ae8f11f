"""Packhorse and its peers side by side, on the same images and the same registry, interleaved in one run.

``python -m bench`` prints tables and keeps all samples as JSON; ``python -m bench report`` writes the page and the
plots from such a file. Nothing here is a test: machines differ, ratios of one run do not.
"""

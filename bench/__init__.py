"""Packhorse and its peers side by side, on the same images and the same registry, interleaved in one run.

``python -m bench`` prints a table of ratios with their spread and keeps all samples as JSON. Nothing here is a test:
machines differ, ratios of one run do not.
"""

"""Real OCI images, made deterministically from packages: for the demo, the examples, the tests and the benchmarks.

A *recipe* (:class:`corpus.model.Image`) says in a few lines which packages make which layers. The same recipe and the
same packages give the same bytes on every run. Development only: nothing under ``src`` imports it, and it imports
nothing from there, so that what it makes is an independent check of what Packhorse reads. Entry point:
``python -m corpus``.
"""

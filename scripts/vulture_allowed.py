"""Names that look unused to vulture and are not: each with the one who uses it.

This file is read by vulture only. A name is added here when a framework calls it or when it is part of the API for
other programs, never to keep dead code.
"""

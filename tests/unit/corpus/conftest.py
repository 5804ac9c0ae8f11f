from pathlib import Path

import pytest

from corpus.workshop import Workshop


@pytest.fixture
def told() -> list[str]:
    """What the workshop said."""
    return []


@pytest.fixture
def workshop(tmp_path: Path, told: list[str]) -> Workshop:
    return Workshop(tmp_path / "cache", told.append)

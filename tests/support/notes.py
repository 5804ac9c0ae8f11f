"""A reporter that remembers what a person would have read."""

from packhorse.base.events import NullReporter

__all__ = ["NotesReporter"]


class NotesReporter(NullReporter):
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.notes: list[str] = []
        self.failures: list[str] = []

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        del items, total_bytes
        self.phases.append(title)

    def note(self, message: str) -> None:
        self.notes.append(message)

    def failed(self, key: str, message: str) -> None:
        del key
        self.failures.append(message)

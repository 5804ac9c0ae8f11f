"""``python -m packhorse`` is the command ``packhorse``."""

from packhorse.cli.main import entry

if __name__ == "__main__":
    entry()

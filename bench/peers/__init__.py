"""The programs that Packhorse is measured beside: where they come from, and which of them are here."""

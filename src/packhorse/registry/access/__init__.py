"""Who may do what in the registry: the access file, logins, tokens, limits on failed logins, and the audit log."""

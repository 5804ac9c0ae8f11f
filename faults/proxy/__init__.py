"""A proxy between a client and a good server that delays, breaks, changes and makes up answers."""

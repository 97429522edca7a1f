"""The composition root: names to classes, settings and a file to a running service."""

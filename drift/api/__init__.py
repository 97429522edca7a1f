"""HTTP: rows in, health, own metrics, JSON reads."""

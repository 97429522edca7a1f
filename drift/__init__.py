"""drift: monitors embeddings in production and says when they have gone bad, why, and what to do."""

__version__ = "0.1.0"

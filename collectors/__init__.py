"""Sources of embeddings: request bodies that senders push, and collectors that read a source themselves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from collectors.base import Collector
from collectors.parquet import ParquetCollector

COLLECTORS: Final[Mapping[str, Callable[[Path, tuple[str, ...]], Collector]]] = {c.name: c for c in (ParquetCollector,)}

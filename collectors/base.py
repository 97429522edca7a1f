"""What every collector does: sample one stream over one span."""

from typing import Protocol

from drift.records import Span, Stream, Window


class Collector(Protocol):
    """Reads a source, and nothing but its source."""

    def collect(self, stream: Stream, span: Span, *, limit: int) -> Window:
        """A uniform sample of at most `limit` valid rows of `stream` in `span`, possibly empty.

        The same stream, span and source give the same rows, so that a retried job measures what the first try did.
        `Window.received` and `Window.rejected` count all rows of the span, not only the sampled ones.

        Raises:
            SourceError: the source could not be read.
        """
        ...

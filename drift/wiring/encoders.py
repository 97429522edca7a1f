"""From declared encoders to those that run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import httpx2

from drift.config import EncoderConfig, StreamConfig
from drift.config.read import documents, read
from drift.encoder.base import Encoder
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import EncoderSpec, load
from drift.encoder.load_graphs import GRAPHS
from drift.encoder.meter import Meter
from drift.encoder.remote import RemoteEncoder, is_address
from drift.errors import ConfigError
from drift.wiring.encoding import shown
from drift.wiring.mlflow_models import fetched, is_mlflow

SPECS: Final = (".yaml", ".yml")
UNFINISHED: Final = timedelta(days=1)
"""How long a job that was killed may be gone on with: what encodes may change without its fingerprint."""


def encoder_of(stream: StreamConfig, home: Path) -> CachedEncoder | None:
    """The encoder of the stream, if it has one.

    Raises:
        ConfigError: its dimension is not the stream's.
    """
    if stream.encoder is None:
        return None
    encoder = build_encoder(stream.encoder, home)
    if encoder.dim != stream.dim:
        raise ConfigError(
            f"the encoder of stream {stream.id!r} gives {encoder.dim} dimensions, the stream declares {stream.dim}: "
            "one of `dim` and `encoder` is wrong"
        )
    return encoder


def candidates_of(stream: StreamConfig, home: Path) -> dict[str, Encoder]:
    """The models that may be served in place of the stream's encoder, by the names that the file gives them."""
    if (spec := stream.encoder) is None:
        return {}
    return {name: build_encoder(candidate(spec, name), home) for name in spec.candidates}


def candidate(spec: EncoderConfig, name: str) -> EncoderConfig:
    """Another model, on the device and in the precision of `spec` where those are ours to choose."""
    path = str(fetched(name)) if is_mlflow(name) else name
    if is_address(name) or path.endswith(GRAPHS):
        return EncoderConfig(model=name, threads=spec.threads)
    return EncoderConfig(model=name, threads=spec.threads, dtype=spec.dtype, device=spec.device)


@cache
def build_encoder(spec: EncoderConfig, home: Path) -> CachedEncoder:
    """The encoder that the stream names; streams that name the same share it, and what it has encoded."""
    start = time.perf_counter()
    encoder = open_encoder(spec)
    meter = Meter(spec.model, time.perf_counter() - start, spec.price_per_hour)
    return CachedEncoder(encoder, home / "embeddings.sqlite", progress=shown, meter=meter)


def spec_of(named: str) -> EncoderConfig:
    """What `named` declares: a name, or a YAML file in the form of a stream's `encoder`.

    Raises:
        ConfigError: with one line for each fault of the file.
    """
    path = Path(named)
    if path.suffix not in SPECS:
        return EncoderConfig(model=named)
    found = documents(path)
    if len(found) != 1:
        raise ConfigError(f"{path}:1: needs one mapping as in a stream's `encoder`, here are {len(found)} documents")
    return read(path, found[0], EncoderConfig)[0]


@contextmanager
def anew(encoder: CachedEncoder, file: Path, *, now: datetime) -> Iterator[CachedEncoder]:
    """The encoder for one long job, which it does from the beginning, or from where it was killed within `UNFINISHED`.

    Of what was encoded before for others it knows nothing. `file` keeps what is done, and is gone once the block is.
    """
    parts = [file.with_name(f"{file.name}{end}") for end in ("", "-shm", "-wal")]
    if file.exists() and now - datetime.fromtimestamp(file.stat().st_mtime, UTC) > UNFINISHED:
        _remove(parts)
    job = CachedEncoder(encoder.encoder, file, progress=shown)
    try:
        yield job
    finally:
        job.close()
    _remove(parts)


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def open_encoder(spec: EncoderConfig) -> Encoder:
    """The encoder itself, which remembers nothing: loaded here, or asked at its address.

    Raises:
        EncoderError: it cannot be loaded, or does not answer.
    """
    if is_address(spec.model):
        return RemoteEncoder(spec.model, httpx2.Client(), spec.served_model, spec.api_key)
    if is_mlflow(spec.model):
        return open_encoder(spec.model_copy(update={"model": str(fetched(spec.model))}))
    wanted = EncoderSpec(
        model=spec.model,
        revision=spec.revision,
        architecture=spec.architecture,
        background=spec.background,
        pooling=spec.pooling,
        normalise=spec.normalise,
        max_length=spec.max_length,
        prefix=spec.prefix,
        weights_sha256=spec.weights_sha256,
        dtype=spec.dtype,
        device=spec.device,
        deterministic=spec.deterministic,
        threads=spec.threads,
    )
    return load(wanted)

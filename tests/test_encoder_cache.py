"""The cache of vectors: the same bits, no second call, across restarts, processes and kills."""

import hashlib
import mmap
import signal
import sqlite3
import subprocess
import sys
import timeit
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from structlog.testing import capture_logs

from drift.encoder.cache import PIECE, CachedEncoder
from drift.encoder.meter import Meter
from drift.encoder.shelf import Shelf, patiently
from drift.errors import EncoderError
from drift.wiring.encoding import shown

DIM = 5


class Counting:
    """Encodes by hash, as any bits that are a float32, and keeps what it was asked."""

    dim = DIM

    def __init__(self, fingerprint: str = "one") -> None:
        self.fingerprint = fingerprint
        self.asked: list[list[str]] = []

    def encode(self, inputs):
        self.asked.append(list(inputs))
        seeds = [hashlib.sha256((self.fingerprint + t).encode("utf-8", "surrogatepass")).digest() for t in inputs]
        rows = [np.random.default_rng(list(seed)).standard_normal(DIM) * 1e-30 for seed in seeds]
        return np.array(rows, np.float32).reshape(-1, DIM)


def same(left: np.ndarray, right: np.ndarray) -> bool:
    return left.dtype == right.dtype == np.float32 and left.shape == right.shape and left.tobytes() == right.tobytes()


@pytest.fixture(params=["memory", "file"])
def path(request, tmp_path) -> Path | None:
    return tmp_path / "below" / "cache.sqlite" if request.param == "file" else None


def test_second_time_gives_the_same_bits_without_the_encoder(path):
    encoder = Counting()
    cached = CachedEncoder(encoder, path)
    expected = Counting().encode(["a", "b", "\ud800"])
    assert same(cached.encode(["a", "b", "\ud800"]), expected)
    assert same(cached.encode(["\ud800", "a"]), expected[[2, 0]])
    assert encoder.asked == [["a", "b", "\ud800"]]
    cached.close()


def test_an_input_that_occurs_twice_is_encoded_once(path):
    encoder = Counting()
    cached = CachedEncoder(encoder, path)
    assert same(cached.encode(["a", "b", "a", "c", "b"]), Counting().encode(["a", "b", "a", "c", "b"]))
    assert same(cached.encode(["c", "d"]), Counting().encode(["c", "d"]))
    assert encoder.asked == [["a", "b", "c"], ["d"]]
    cached.close()


def test_a_long_result_lies_in_a_file_that_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr("drift.encoder.cache.PIECE", 2)
    texts = [f"text {i}" for i in range(7)]
    cached = CachedEncoder(Counting(), tmp_path / "cache.sqlite", held=7 * DIM * 4 - 1)
    found = cached.encode(texts)
    assert isinstance(found.base.base.obj, mmap.mmap)
    assert same(found, Counting().encode(texts))
    assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} == {"cache.sqlite"}
    found[0] = 1  # a caller's own, as any
    assert same(cached.encode(texts), Counting().encode(texts))
    assert not isinstance(cached.encode(texts[:6]).base, np.ndarray)
    cached.close()


def test_a_long_result_for_which_the_disk_has_no_room_is_held_in_memory(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with capture_logs() as logs:
        cached = CachedEncoder(Counting(), tmp_path / "cache.sqlite", held=0)
        assert same(cached.encode(["a", "b"]), Counting().encode(["a", "b"]))
    assert [log["event"] for log in logs] == ["vectors kept in memory"]
    cached.close()


def test_no_inputs_give_no_rows(path):
    cached = CachedEncoder(Counting(), path)
    assert cached.encode([]).shape == (0, DIM)
    cached.close()


def test_a_caller_may_change_what_it_got():
    cached = CachedEncoder(Counting())
    cached.encode(["a"])[:] = 7
    cached.encode(["a"])[:] = 7
    assert same(cached.encode(["a"]), Counting().encode(["a"]))


def test_memory_is_bounded_and_keeps_what_was_used_last():
    encoder = Counting()
    cached = CachedEncoder(encoder, capacity=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cached.encode([text])
    assert [asked[0] for asked in encoder.asked] == ["a", "b", "c", "b"]


def test_more_inputs_than_memory_holds_are_all_returned(tmp_path):
    texts = [str(n) for n in range(1200)]
    cached = CachedEncoder(Counting(), tmp_path / "cache.sqlite", capacity=3)
    assert same(cached.encode(texts), Counting().encode(texts))
    assert same(cached.encode(texts), Counting().encode(texts))
    cached.close()


def test_file_serves_the_next_process(tmp_path):
    first = CachedEncoder(Counting(), tmp_path / "cache.sqlite")
    first.encode(["a", "b"])
    first.close()
    encoder = Counting()
    again = CachedEncoder(encoder, tmp_path / "cache.sqlite")
    assert same(again.encode(["b", "a", "c"]), Counting().encode(["b", "a", "c"]))
    assert encoder.asked == [["c"]]
    again.close()


def test_another_fingerprint_shares_nothing(tmp_path):
    for fingerprint in ("one", "two", "one", "two"):
        cached = CachedEncoder(Counting(fingerprint), tmp_path / "cache.sqlite")
        assert same(cached.encode(["a"]), Counting(fingerprint).encode(["a"]))
        cached.close()


def test_file_is_bounded_and_drops_the_oldest(tmp_path):
    shelf = Shelf(tmp_path / "shelf", capacity=10)
    for n in range(25):
        shelf.put({bytes([n]): b"value %d" % n})
    assert shelf.get([bytes([n]) for n in range(25)]) == {bytes([n]): b"value %d" % n for n in range(15, 25)}
    shelf.close()


def test_row_of_another_length_is_encoded_again(tmp_path):
    cached = CachedEncoder(Counting(), tmp_path / "cache.sqlite")
    cached.encode(["a"])
    cached.close()
    with sqlite3.connect(tmp_path / "cache.sqlite") as connection:
        connection.execute("UPDATE shelf SET value = x'00000000'")
    connection.close()
    again = CachedEncoder(Counting(), tmp_path / "cache.sqlite")
    assert same(again.encode(["a"]), Counting().encode(["a"]))
    again.close()


@pytest.mark.parametrize("content", [b"not a database, and long enough to be read as one" * 20, None])
def test_a_path_that_cannot_be_a_cache_is_refused(tmp_path, content):
    path = tmp_path / "cache.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(EncoderError, match=r"cache\.sqlite.*delete it"):
        CachedEncoder(Counting(), path)


def test_opening_waits_while_the_file_is_locked():
    answers = [sqlite3.OperationalError("database is locked")] * 2 + [None]

    def work():
        if answer := answers.pop(0):
            raise answer

    patiently(work)
    assert answers == []
    answers[:] = [sqlite3.OperationalError("disk I/O error"), None]
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        patiently(work)


def test_file_that_fails_later_on_does_not_stop_the_encoder(tmp_path, capsys):
    encoder = Counting()
    cached = CachedEncoder(encoder, tmp_path / "cache.sqlite")
    with sqlite3.connect(tmp_path / "cache.sqlite") as connection:
        connection.execute("DROP TABLE shelf")
    connection.close()
    assert same(cached.encode(["a"]), Counting().encode(["a"]))
    assert "encoder cache failed" in capsys.readouterr().out
    cached.close()


def test_threads_may_share_a_cache(tmp_path, capsys):
    cached = CachedEncoder(Counting(), tmp_path / "cache.sqlite", capacity=4)
    texts, wrong = [str(n) for n in range(20)], []

    def work(seed):
        try:
            for _ in range(30):
                some = list(np.random.default_rng(seed).choice(texts, 8))
                if not same(cached.encode(some), Counting().encode(some)):
                    wrong.append(some)
        except BaseException as fault:  # noqa: BLE001 - reported by the test itself
            wrong.append(fault)

    threads = [Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cached.close()
    assert wrong == []
    assert capsys.readouterr().out == ""


WRITER = """
import sys
from pathlib import Path
from drift.encoder.shelf import Shelf
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
input()
shelf = Shelf(path, capacity=1_000_000)
for n in range(count):
    shelf.put({f"{name} {n} {k}".encode(): f"value {name} {n} {k}".encode() * 90 for k in range(5)})
    print(n, flush=True)
"""


def writer(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kept(path: Path, name: str, count: int) -> bool:
    """Whether all that a writer put is there, and whole."""
    shelf = Shelf(path, capacity=1_000_000)
    wanted = {f"{name} {n} {k}".encode(): f"value {name} {n} {k}".encode() * 90 for n in range(count) for k in range(5)}
    found = shelf.get(list(wanted))
    shelf.close()
    return found == wanted


def test_processes_may_share_a_file(tmp_path):
    path = tmp_path / "shelf"
    writers = [writer(path, str(number), 40) for number in range(4)]
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in writers:
        process.communicate(timeout=60)
    assert [process.returncode for process in writers] == [0] * 4
    assert all(kept(path, str(number), 40) for number in range(4))


def test_what_was_put_survives_a_kill(tmp_path):
    path = tmp_path / "shelf"
    with writer(path, "killed", 100_000) as process:
        process.stdin.write("go\n")
        process.stdin.flush()
        acknowledged = [int(process.stdout.readline()) for _ in range(20)][-1]
        process.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().splitlines() if line)])
    assert process.returncode == -signal.SIGKILL
    assert kept(path, "killed", acknowledged + 1)


JOB = """
import sys
from pathlib import Path
from drift.encoder.cache import CachedEncoder
from tests.test_encoder_cache import Counting
class Slow(Counting):
    def encode(self, inputs):
        print(len(inputs), flush=True)
        sys.stdin.readline()
        return super().encode(inputs)
CachedEncoder(Slow(), Path(sys.argv[1])).encode([f"text {n}" for n in range(int(sys.argv[2]))])
"""


def test_a_killed_job_goes_on_where_it_was(tmp_path):
    path, count = tmp_path / "cache.sqlite", 4 * PIECE + 100
    command = [sys.executable, "-c", JOB, str(path), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        for _ in range(2):
            assert int(process.stdout.readline()) == PIECE
            process.stdin.write("go\n")
            process.stdin.flush()
        assert int(process.stdout.readline()) == PIECE  # the third is being encoded
        process.send_signal(signal.SIGKILL)
    encoder, texts = Counting(), [f"text {n}" for n in range(count)]
    cached = CachedEncoder(encoder, path)
    assert same(cached.encode(texts), Counting().encode(texts))
    assert [text for asked in encoder.asked for text in asked] == texts[2 * PIECE :]
    cached.close()


def test_long_jobs_show_how_far_they_are(capsys):
    texts = [f"text {n}" for n in range(PIECE + 1)]
    steps = []
    cached = CachedEncoder(Counting(), progress=lambda starts: (steps.append(start) or start for start in starts))
    cached.encode(texts[:PIECE])
    assert steps == []
    assert same(cached.encode(texts), Counting().encode(texts))
    assert steps == [0, PIECE]
    assert list(shown(range(0, PIECE + 1, PIECE))) == [0, PIECE]
    out, err = capsys.readouterr()
    assert f"{PIECE + 1:,} inputs encoded" in err
    assert not out


def test_a_known_input_costs_microseconds():
    cached = CachedEncoder(Counting())
    texts = [f"a sentence of usual length, number {n}, as it would be sampled" for n in range(500)]
    cached.encode(texts)
    assert min(timeit.repeat(lambda: cached.encode(texts), number=1, repeat=5)) / len(texts) < 100e-6


def test_what_was_encoded_is_metered_and_what_was_remembered_is_not():
    meter = Meter("bundled", load_seconds=1.5, price=3600.0)
    cached = CachedEncoder(Counting(), meter=meter)
    assert meter.cost_per_million == 0
    cached.encode(["a", "b", "a"])
    cached.encode(["b"])
    assert meter.inputs == 2
    assert meter.seconds > 0
    assert meter.cost == pytest.approx(meter.seconds)
    assert meter.cost_per_million == pytest.approx(meter.seconds / 2 * 1e6)


def test_an_encoder_that_fails_has_encoded_nothing():
    class Broken:
        dim, fingerprint = 8, "broken"

        def encode(self, inputs):
            raise RuntimeError("no")

    cached = CachedEncoder(Broken())
    with pytest.raises(RuntimeError):
        cached.encode(["a"])
    assert (cached.meter.inputs, cached.meter.seconds) == (0, 0)

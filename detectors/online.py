"""Online detection: an alarm as soon as the latest rows differ, at a false-alarm rate that is chosen beforehand."""

import hashlib
from dataclasses import dataclass, field
from math import exp, log
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.random import Generator
from torch import Tensor

from detectors.arguments import require_whole
from detectors.arrays import Vectors, as_reference, as_wide_rows, require_same_width
from detectors.copies import independent_rows
from detectors.kernels import drawn, on_grid, pinned, seeded, tensor
from detectors.nulls import guarded, null_picks, rank_p, require_held
from detectors.recent import View, fit_view, follow, noise
from drift.errors import BadReferenceError, UnmeasurableError
from drift.records import Measurement, Reference, Window

STATE: Final = 1
"""Changes with what a state means, so that no older one is taken up."""
RUNS: Final = 4096
WARM, LONG = 2, 16
"""A simulated run is `LONG` windows long, after `WARM` ones in which the mean fills."""
PART: Final = 40
"""Reference rows for each row of `window_size`: half of them give the runs, without replacement."""
AT_ONCE: Final = 256
RARE: Final = 0.1
"""The share of simulated runs beyond which their largest values are an exponential law's: what is rarer is not seen."""


@final
@dataclass(frozen=True, slots=True)
class Alarm:
    """The statistic has reached its threshold at `row`, counted from 0 over all rows since the fit."""

    row: int
    statistic: float
    threshold: float


@final
@dataclass(slots=True, eq=False)
class Online:
    """Watches a sequence of rows and alarms when the latest ones are not the reference's (after Cobb, Van Looveren and
    Klaise, AISTATS 2022; Keriven, Garreau and Poli, IEEE TSP 2020).

    The statistic is the squared distance of the mean of the latest rows from the reference's, in the features of
    `View`, over what chance gives: 1 on average when nothing has changed. A row counts less the older it is; the mean
    varies as one of `window_size` rows does. It starts at the reference's own, after each alarm again. So healthy rows
    give one alarm in `expected_run_time` rows on average, as likely at any time once the mean has filled.

    A row takes time and memory that do not depend on how many came before; so does `state`.
    """

    view: View
    window_size: int
    threshold: float
    held: int
    key: bytes
    _recent: Float64[Tensor, "1 k"] = field(init=False)
    _seen: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.restart()

    @classmethod
    def fit(
        cls, reference: Vectors, expected_run_time: int = 10_000, *, window_size: int = 64, seed: int = 0
    ) -> "Online":
        """Watch for changes from `reference`, shape (m, d), rows in any order. Equal arguments give equal thresholds.

        The threshold comes from simulated runs over the half of the reference to which nothing is fitted, which takes
        seconds. The mean run time is right on average over references; on one it is off by the reference's own error,
        by a seventh or so with 100 rows for each of `window_size`.

        Raises:
            BadReferenceError: fewer than 40 * `window_size` rows, or not finite, or all equal.
            BadArgumentError: a parameter is no whole number, `window_size` is below 2, or `expected_run_time` below
                ten windows.
        """
        require_whole("Online.fit", "window_size", window_size, 2)
        require_whole("Online.fit", "expected_run_time", expected_run_time, 10 * window_size)
        require_whole("Online.fit", "seed", seed, 0)
        x = as_reference(reference, PART * window_size)
        rng = np.random.default_rng(seed)
        first, second = x[torch.from_numpy(rng.permutation(len(x))).to(x.device)].tensor_split(2)
        try:
            view = fit_view(first, second)
        except UnmeasurableError as error:
            raise BadReferenceError(str(error)) from None
        threshold = threshold_for(view.features(second).float(), window_size, expected_run_time, rng)
        key = hashlib.sha256(f"{STATE} {expected_run_time} {window_size} {seed} {tuple(x.shape)}".encode())
        key.update(x.cpu().numpy().tobytes())
        return cls(view, window_size, threshold, len(second), key.digest())

    def update(self, rows: Vectors) -> tuple[Alarm, ...]:
        """Take in `rows`, shape (n, d) in their order, or a single one of shape (d,); the alarms that they give.

        Rows taken in at once or one by one give the same.

        Raises:
            UnmeasurableError: rows that are not finite, or not of the reference's dimension. None is taken in.
        """
        x = as_wide_rows(rows[None] if getattr(rows, "ndim", 0) == 1 else rows, "rows", 0)
        require_same_width(x.shape[1], len(self.view.centre), ("rows", "reference"))
        features, usual = self.view.features(x), noise(self.window_size, self.held)
        alarms: list[Alarm] = []
        for row in torch.arange(len(x), device=x.device)[:, None, None]:
            statistic = float(follow(self._recent, features, row, self.window_size)) / usual
            if statistic >= self.threshold:
                alarms.append(Alarm(self._seen, statistic, self.threshold))
                self.restart()
            self._seen += 1
        return tuple(alarms)

    def restart(self) -> None:
        """Forget the rows so far, as after an alarm; their number is kept."""
        self._recent = torch.zeros(1, len(self.view.mean), dtype=torch.float64, device=self.view.mean.device)

    @property
    def state(self) -> bytes:
        """What is remembered of the rows so far: always as many bytes. `resume` takes it up, in any process."""
        return self.key + np.int64(self._seen).tobytes() + self._recent.cpu().numpy().tobytes()

    def resume(self, state: bytes) -> None:
        """Go on from `state`.

        Raises:
            ValueError: it is of a fit to another reference, or with other arguments.
        """
        size = len(self.key)
        if state[:size] != self.key or len(state) != len(self.state):
            raise ValueError(
                "online needs the state of a fit with the same reference and arguments, this is another's: fit with "
                "those, or start without a state"
            )
        self._seen = int(np.frombuffer(state, np.int64, 1, size)[0])
        self._recent = torch.tensor(np.frombuffer(state, np.float64, -1, size + 8), device=self.view.mean.device)[None]


def threshold_for(features: Float[Tensor, "m k"], window_size: int, expected_run_time: int, rng: Generator) -> float:
    """The statistic that healthy rows first reach after `expected_run_time` rows on average.

    Runs are drawn from `features`, whose mean is 0. The chance of an alarm is the same at any time once the mean has
    filled, so a run's largest value stays below the threshold with chance exp(-length / mean time to an alarm). Where
    fewer than `RARE` of the runs reach it, an exponential tail goes on (Gumbel's law of maxima). Filling takes about a
    window.
    """
    usual = noise(window_size, -len(features))
    largest = []
    for _ in range(RUNS // AT_ONCE):
        # Without replacement: a row that comes twice in one window makes chance look larger than it is.
        drawn_rows = null_picks(len(features), (WARM + LONG) * window_size, AT_ONCE, rng)
        recent = torch.zeros(AT_ONCE, features.shape[1], device=features.device)
        lengths = follow(recent, features, torch.from_numpy(drawn_rows).to(features.device), window_size)
        largest.append(lengths[:, WARM * window_size :].amax(1) / usual)
    found = torch.cat(largest).double().cpu().numpy()
    # Rows drawn without replacement forget sooner, while the reference's own error stays: more chances to alarm a row.
    faster = (1 + window_size / len(features)) / (1 - window_size / len(features))
    alarms = faster * LONG * window_size / (expected_run_time - window_size)
    common = -log(1 - RARE)
    start = float(np.quantile(found, exp(-max(alarms, common))))
    return start + float((found[found > start] - start).mean()) * max(0.0, log(common / alarms))


@final
@dataclass(frozen=True, slots=True)
class OnlineInWindow:
    """Change within the window: the largest value that `Online`'s statistic takes over the window's rows.

    Ratio, over what chance gives: the statistic is 1 on average when nothing has changed, its largest value in a window
    more than that; see the band, which holds 99 % of null windows. Rows come in the order of their times, those without
    a time first, and in the order given where no row has one. Each window starts afresh: a change in the middle of it
    is seen at its full size, where a test of the whole window would see half.

    The p-value is (1 + b) / (1 + nulls) over windows drawn from the half of the reference to which nothing is fitted.
    It is doubled where this half has fewer than 20 rows for each of `memory`, which is the number of rows that count at
    any time. Of the window as many rows are used as the grid of window sizes has.
    """

    name: ClassVar[str] = "online"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = "at some time in this window the embeddings began to differ from the reference"
    next_step: ClassVar[str] = (
        "Look for what changed at that time (a release, a new sender), and at the objective skew: if it is bad, fix "
        "the serving path."
    )

    memory: int = 64
    nulls: int = 999
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.memory < 2 or self.nulls < 1 or self.min_rows < 2:
            raise ValueError(f"online needs memory >= 2, nulls >= 1 and min_rows >= 2, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        used = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(used))
        nulls = null_peaks(reference, self.memory, n, self.nulls)
        times, held = used.times, len(reference.rows) - len(reference.rows) // 2
        order = np.arange(len(used)) if times is None else times.argsort(kind="stable")
        rows = tensor(used.vectors[order[np.sort(drawn(len(order), n, rng))]])
        value = float(_peaks(pinned_view(reference).features(rows), torch.arange(n)[None], self.memory, held)[0])
        low, high = np.quantile(nulls, (0.005, 0.995))
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=value,
            rows=n,
            p_value=guarded(rank_p(value, nulls), self.memory, held),
            band=(float(low), float(high)),
        )


def _peaks(features: Float[Tensor, "m k"], picks: Int[Tensor, "b n"], memory: int, held: int) -> Float[Tensor, "b"]:
    """The largest statistic over each of `b` windows."""
    recent = torch.zeros(len(picks), features.shape[1], dtype=features.dtype, device=features.device)
    return follow(recent, features, picks.to(features.device), memory).amax(1) / noise(memory, held)


@pinned
def pinned_view(reference: Reference) -> View:
    """The view of the reference's halves."""
    return fit_view(tensor(reference.fit.vectors), tensor(reference.calibration.vectors))


@pinned
def null_peaks(reference: Reference, memory: int, n: int, nulls: int) -> Float64[np.ndarray, "b"]:
    """The largest statistic of each of `nulls` windows of `n` rows.

    Raises:
        UnmeasurableError: half of the reference has fewer rows than two windows.
    """
    held = len(reference.rows) - len(reference.rows) // 2
    require_held("online", reference, held, 2 * n, n)
    features = pinned_view(reference).features(tensor(reference.calibration.vectors)).float()
    picks = torch.from_numpy(null_picks(held, n, nulls, seeded(reference, f"online/{n}")))
    return np.concatenate(
        [_peaks(features, part, memory, -held).double().cpu().numpy() for part in torch.split(picks, AT_ONCE)]
    )

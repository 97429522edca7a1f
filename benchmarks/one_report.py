"""Evidently's default report on embedding drift, in a process of its own environment: `one_report.py FILE RUNS`.

FILE is an `.npz` with `reference` and `window`, one row an embedding. Prints JSON: the seconds of each of RUNS reports,
data frames ready and imports done, and of each of RUNS tests alone, without the picture that a report makes of them.
"""

import json
import os
import sys
import time
import warnings

import numpy as np


def main(file: str, runs: int) -> None:
    warnings.simplefilter("ignore")
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library prints; only the answer may stand there
    import pandas as pd
    from evidently.legacy.metrics import EmbeddingsDriftMetric
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import model
    from evidently.legacy.pipeline.column_mapping import ColumnMapping
    from evidently.legacy.report import Report

    with np.load(file) as held:
        frames = [pd.DataFrame(held[name]).add_prefix("d") for name in ("reference", "window")]
    columns = list(frames[0].columns)

    def report(reference: object, window: object) -> None:
        asked = Report(metrics=[EmbeddingsDriftMetric("vector")])
        mapping = ColumnMapping(embeddings={"vector": columns})
        asked.run(reference_data=reference, current_data=window, column_mapping=mapping)
        asked.as_dict()

    def alone(reference: object, window: object) -> None:
        model(bootstrap=False)(window, reference)  # its choice for 1000 reference rows and more

    seconds = {}
    for name, work in (("report", report), ("test", alone)):
        work(*(frame[:200].copy() for frame in frames))  # what is only loaded when first used does not count
        seconds[name] = []
        for _ in range(runs):
            given = [frame.copy() for frame in frames]
            start = time.perf_counter()
            work(*given)
            seconds[name].append(time.perf_counter() - start)
    answer.write(json.dumps(seconds))
    answer.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

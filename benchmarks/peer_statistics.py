"""Other libraries' drift statistics. Run by the Python of an environment that holds the library, and by no other.

`python peer_statistics.py <library> <rows>` takes lines of JSON, [method, reference.npy, windows.npy], and answers each
with a line of JSON: the statistic of each window, larger where there is more drift (NannyML's is two-sided). Thresholds
and p-values are left to the caller, who holds all libraries to equal false alarms.
"""

import json
import os
import sys
import warnings

import numpy as np

BRIEF = 2000
"""Reference rows of those that would take a second a window or more with all of them."""


def alibi_detect(method, reference):
    from alibi_detect.cd import ClassifierDrift, LSDDDrift, MMDDrift
    from alibi_detect.utils.pytorch.distance import mmd2_from_kernel_matrix

    if method == "MMD":
        import torch

        # Permutations cost most, and only lead from the statistic to a p-value: its own two steps without them.
        rows = reference[:BRIEF]
        test = MMDDrift(rows, backend="pytorch", n_permutations=1)._detector

        def mmd(window):
            matrix = test.kernel_matrix(torch.from_numpy(rows), torch.from_numpy(window))
            return mmd2_from_kernel_matrix(matrix, len(window), permute=False, zero_diag=True)

        return mmd
    if method == "LSDD":
        test = LSDDDrift(reference, backend="pytorch", n_permutations=2)
    else:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=1.0, max_iter=100)
        test = ClassifierDrift(reference, model, backend="sklearn", n_folds=3, preds_type="probs")
    return lambda window: test.predict(window)["data"]["distance"]


def evidently(method, reference):
    import pandas as pd
    from evidently.legacy.metrics.data_drift import embedding_drift_methods as methods

    test = {"model": methods.model, "MMD": methods.mmd, "distance": methods.distance, "ratio": methods.ratio}[method]()
    rows = pd.DataFrame(reference[:BRIEF] if method in ("MMD", "ratio") else reference)
    return lambda window: test(pd.DataFrame(window), rows.copy())[0]  # it adds a column to what it is given


def nannyml(method, reference):
    import nannyml
    import pandas as pd

    rows = reference[:BRIEF] if method == "classifier" else reference
    names = [f"d{i}" for i in range(rows.shape[1])]
    if method == "PCA":
        test = nannyml.DataReconstructionDriftCalculator(column_names=names, chunk_number=1)
        found = "reconstruction_error"
    else:
        test = nannyml.DomainClassifierCalculator(feature_column_names=names, chunk_number=1, cv_folds_num=2)
        found = "domain_classifier_auroc"
    test.fit(pd.DataFrame(rows, columns=names))

    def value(window):
        result = test.calculate(pd.DataFrame(window, columns=names)).filter(period="analysis").to_df()
        return result[(found, "value")].iloc[0]

    return value


def frouros(method, reference):
    from frouros.detectors.data_drift import MMD, EnergyDistance

    if method == "MMD":
        test = MMD(chunk_size=1000)
        test.fit(X=reference[:BRIEF])
        return lambda window: test.compare(X=window)[0].distance
    tests = [EnergyDistance() for _ in range(reference.shape[1])]
    for i, test in enumerate(tests):
        test.fit(X=reference[:, i])
    return lambda window: sum(test.compare(X=window[:, i])[0].distance for i, test in enumerate(tests))


LIBRARIES = {"alibi-detect": alibi_detect, "evidently": evidently, "nannyml": nannyml, "frouros": frouros}


def main(library):
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; only answers may stand among the answers
    made = {}
    for line in sys.stdin:
        method, reference, windows = json.loads(line)
        if (method, reference) not in made:
            made[method, reference] = LIBRARIES[library](method, np.load(reference))
        test = made[method, reference]
        answers.write(json.dumps([float(test(window.copy())) for window in np.load(windows)]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])

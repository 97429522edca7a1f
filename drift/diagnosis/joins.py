"""Rows that got the vectors of other inputs."""

import numpy as np
from jaxtyping import Bool

from drift.diagnosis.explain import Explanation
from drift.diagnosis.failing import FEW, Failing, unit
from drift.diagnosis.language import WORD
from drift.diagnosis.pairs import deviation
from drift.records import is_data


def joined(rows: Failing) -> Explanation:
    """Rows whose vector is that of another input: exactly one of those encoded again, or like the reference's."""
    cosines = unit(rows.served) @ unit(rows.everything).T
    of, nearest = cosines.argmax(1), cosines.max(1)
    # What tidies texts up gives a row the vector of one that is spelt a little otherwise.
    others = np.array([plain(rows.inputs[i]) != plain(rows.every[at]) for i, at in enumerate(of)], bool)
    found = (nearest > 1 - np.minimum(3e-4, rows.apart / 2)) & others
    strange = _strangers(rows) & ~found
    # A join gives each row another vector; one that many get is what is left of inputs that lost all they said.
    if found.sum() >= 2 and len(np.unique(of[found])) > found.sum() / 2:
        # The others' inputs were not in the sample, if their vectors look like any input's and unlike their own.
        how = f"rows have the vectors of other inputs ({found.sum()} of {len(found)} that of an input in the sample"
        how += f", {strange.sum()} of one outside it)" if strange.any() else ")"
        return Explanation("id-join", how, np.where(found, 1.0, np.where(strange, 0.97, 0.0)))
    share = 0.7 if len(found) >= FEW and strange.mean() > 0.8 else 0.0
    return Explanation(
        "id-join", "rows have vectors like the reference's, and not those of their inputs", np.full(len(found), share)
    )


def plain(text: str) -> str:
    """What a text says, however it is spelt: its words in lower case; images and arrays as they are."""
    return text if is_data(text) else " ".join(WORD.findall(text.casefold()))


def _strangers(rows: Failing) -> Bool[np.ndarray, "n"]:
    """Rows as near to the reference as right ones are, whose vector has nothing to do with their input.

    None where one row alone was encoded again: there is nothing to be joined to.
    """
    if len(rows.everything) < 2:
        return np.zeros(len(rows.served), bool)
    known = unit(rows.reference[:4096])
    usual = (unit(rows.everything) @ known.T).max(1)
    pairs = unit(rows.everything) @ unit(rows.everything).T
    unrelated = np.quantile(pairs[~np.eye(len(pairs), dtype=bool)], 0.95)
    near = (unit(rows.served) @ known.T).max(1) >= np.quantile(usual, 0.05)
    return np.asarray(near & (1 - deviation(unit(rows.served), unit(rows.again)) < unrelated))

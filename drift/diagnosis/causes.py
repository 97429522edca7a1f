"""What a diagnosis says: the causes it can name, what speaks for each, and what to do."""

from collections.abc import Iterable, Mapping
from typing import Final

from drift.records import NONE, UNKNOWN, Cause, Diagnosis

SEASONALITY: Final = "seasonality"

SERVING: Final[Mapping[str, str]] = {
    "missing-normalisation": "Normalise vectors to unit length where they are served, and re-embed what was stored.",
    "truncation": "Give the serving path the recipe's limit of tokens, and re-embed inputs that were cut elsewhere.",
    "cls-pooling": "Serve with the recipe's pooling, and re-embed what was stored.",
    "mean-pooling": "Serve with the recipe's pooling, and re-embed what was stored.",
    "max-pooling": "Serve with the recipe's pooling, and re-embed what was stored.",
    "last-token-pooling": "Serve with the recipe's pooling, and re-embed what was stored.",
    "padding-pooled": "Pool with the attention mask, so that padding does not count.",
    "mask-ignored": "Pass the attention mask to the model: vectors depend on what else is in the batch.",
    "prefix": "Put exactly the recipe's prefix before each input.",
    "tokenizer-case": "Serve with the model's own tokenizer files, and hand inputs over unchanged.",
    "missing-special-tokens": "Tokenize with special tokens, as the model was trained.",
    "wrong-layer": "Take the last layer's token vectors.",
    "quantised-weights": "Serve unrounded weights, or make the reference with the rounded ones if good enough.",
    "quantised-activations": "Turn dynamic quantisation off: it makes a vector depend on its batch.",
    "quantised-storage": "Store vectors in float32 or float16, or make the reference from vectors stored this way.",
    "other-model-version": "Roll back to the reference's model, or make a new reference and re-embed the index.",
    "mixed-versions": "Finish the rollout or roll it back: two versions must not share an index.",
    "environment": "Compare libraries and device with the reference's fingerprint, then recompute the reference.",
    "rotated": "Serve the vectors without the transformation, or apply it to the index too.",
    "permuted-dimensions": "Correct the order of dimensions where vectors are written or read.",
    "zeroed-dimensions": "Find what drops these dimensions: a schema, a slice, a failed shard.",
    "id-join": "Correct the join of ids and vectors: look for a shifted batch or an unordered result.",
    "constant-output": "Empty the cache in front of the encoder, or roll the encoder back: it gives one answer to all.",
    "dimensional-collapse": "Roll the encoder back: its vectors have lost directions.",
    "shrink": "Roll the encoder back, or undo the averaging: vectors lie closer to their mean.",
}
"""What the serving path may do wrong, and the next step."""

DATA: Final[Mapping[str, str]] = {
    "traffic-mix": "Ask who sends more or less of what; if it stays, make a reference of the new mix.",
    "new-topic": "Read the rows named here: new content needs labels and retraining, junk needs a filter upstream.",
    "language": "Find who sends these inputs; if they are wanted, check that the model was trained on such.",
    "duplicates": "Look for a replayed batch or a retry; if users ask this often, put the copies in the reference.",
}
"""What the inputs may do, and the next step."""

NEXT_STEP: Final[Mapping[str, str]] = {
    **SERVING,
    **DATA,
    SEASONALITY: "Nothing to repair: give the objective `calibrate: windows`, or the reference rows of these hours.",
    NONE: "Nothing to do about this window; while an alert fires, have one that was bad diagnosed.",
    UNKNOWN: "Compare model, tokenizer, pooling, precision and library versions of the serving path with the recipe; "
    "diagnose with the model that may be served instead.",
}


def cause_of(slug: str, score: float, evidence: str) -> Cause:
    """The cause of that slug, with the next step that belongs to it."""
    return Cause(slug, round(score, 3), evidence, NEXT_STEP[slug])


def diagnosis_of(causes: Iterable[Cause], sought: Iterable[str], against: Mapping[str, str]) -> Diagnosis:
    """A diagnosis of `causes`: the other slugs of `sought` are ruled out, those in `against` by their numbers."""
    kept = tuple(causes)
    named = {cause.cause for cause in kept}
    ruled_out = tuple(slug for slug in sought if slug not in named)
    return Diagnosis(kept, ruled_out, {slug: against[slug] for slug in ruled_out if slug in against})

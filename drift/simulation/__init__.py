"""What objectives' alerts make of stretches of slots: one objective slot by slot, or a whole fleet at once."""

from drift.simulation.fleet import CODES, Episodes, episodes
from drift.simulation.slots import EPOCH, Tick, Transition, made_up, simulate, transitions

__all__ = [
    "CODES",
    "EPOCH",
    "Episodes",
    "Tick",
    "Transition",
    "episodes",
    "made_up",
    "simulate",
    "transitions",
]

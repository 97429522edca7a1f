"""May a candidate take the place of a baseline? Checks of the same inputs by both, and what they come to."""

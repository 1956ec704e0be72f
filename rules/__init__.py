"""The promise: what counts as an outage and what is owed. Pure, and standard library only."""

"""Attacks on the demo at equal cost: how many different images each one finds, seed by seed."""

BUDGET, SEEDS = 175_000, (0, 1, 2)

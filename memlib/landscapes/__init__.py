"""Mixtures of the plane, exact and estimated; a small network that learns one."""

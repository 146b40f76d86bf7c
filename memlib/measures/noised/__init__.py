"""Measures at noised states of an image, y = x + sigma n, without following its path."""

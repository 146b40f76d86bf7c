"""The text demo: a small model of text and images whose memorisation is known."""

"""An attack that looks for different images, not for the same ones again."""

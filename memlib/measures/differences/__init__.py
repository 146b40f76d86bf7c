"""Two denoisers of the same images: what one of them knows and the other does not."""

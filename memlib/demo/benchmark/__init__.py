"""The benchmark: pictures of which it is known what repeats, and a small model trained on them."""

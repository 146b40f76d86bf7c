"""Features of images, for clustering them and for finding copies."""

"""Rates and numbers of images that are predicted from a cheap score of each image."""

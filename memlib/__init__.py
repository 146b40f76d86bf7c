"""memlib: what a diffusion model remembers, measured. Every method is a function of one object, the denoiser."""

from memlib.denoisers import Denoiser, FiniteDataset, GaussianMixture, load_denoiser
from memlib.flow import sample
from memlib.images import ImageSet, load_images
from memlib.measures import MEASURES, VolumeGrowth, volume_growth
from memlib.neighbours import Neighbours, match_ratio, nearest

__all__ = [
    "MEASURES",
    "Denoiser",
    "FiniteDataset",
    "GaussianMixture",
    "ImageSet",
    "Neighbours",
    "VolumeGrowth",
    "load_denoiser",
    "load_images",
    "match_ratio",
    "nearest",
    "sample",
    "volume_growth",
]

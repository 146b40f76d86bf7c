"""The denoiser contract, exact denoisers, and the adapter for diffusers models."""

from memlib.denoisers.base import Denoiser, pick_device
from memlib.denoisers.exact import FiniteDataset, GaussianMixture
from memlib.denoisers.unet import UNetDenoiser, load_denoiser

__all__ = ["Denoiser", "FiniteDataset", "GaussianMixture", "UNetDenoiser", "load_denoiser", "pick_device"]

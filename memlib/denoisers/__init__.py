"""The denoiser contract, exact denoisers, and diffusers models behind the contract."""

from memlib.denoisers.base import Denoiser, pick_device
from memlib.denoisers.exact import FiniteDataset, GaussianMixture
from memlib.denoisers.loading import load_denoiser
from memlib.denoisers.network import NetworkDenoiser

__all__ = [
    "Denoiser",
    "FiniteDataset",
    "GaussianMixture",
    "NetworkDenoiser",
    "load_denoiser",
    "pick_device",
]

"""The memory a network needs on this device, and whether the device computes correctly."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from memlib.denoisers.network import NetworkDenoiser
from memlib.seeds import generator

TRUSTED = 1e-3  # relative difference of the predicted noise up to which two devices agree


@torch.no_grad()
def memory(denoiser: NetworkDenoiser) -> tuple[int, int]:
    """Return the bytes of the weights, and of all layer outputs for one image, which is an upper
    bound on the memory per image.
    """
    weights = sum(
        weight.numel() * weight.element_size() for weight in denoiser.network.parameters()
    )
    handed_on = 0

    def count(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal handed_on
        handed_on += output.numel() * output.element_size() if isinstance(output, Tensor) else 0

    hooks = [
        module.register_forward_hook(count)
        for module in denoiser.network.modules()
        if not list(module.children())
    ]
    try:
        denoiser.noise(torch.zeros(1, *denoiser.shape, device=denoiser.device), denoiser.sigma_max)
    finally:
        for hook in hooks:
            hook.remove()
    return weights, handed_on


@dataclass(frozen=True)
class Check:
    """Relative root-mean-square differences of the predicted noise at some noise levels, and the
    reference of the comparison.
    """

    sigmas: tuple[float, ...]
    differences: tuple[float, ...]
    against: str

    @property
    def passed(self) -> bool:
        return max(self.differences) < TRUSTED


@torch.no_grad()
def check_device(denoiser: NetworkDenoiser, images: Tensor) -> Check:
    """Compare the noise predicted for `images` (B, *shape) on this device with float32 on the CPU;
    if the device is the CPU, with float64.
    """
    on_cpu = denoiser.device.type == "cpu"
    network = copy.deepcopy(denoiser.network).cpu()
    truth = denoiser.with_network(
        network.double() if on_cpu else network.float(), torch.device("cpu")
    )
    sigmas = tuple(
        float(f"{sigma:.3g}")
        for sigma in np.geomspace(denoiser.sigma_min * 1.01, denoiser.sigma_max * 0.99, 4)
    )
    noise = torch.randn(images.shape, generator=generator(0))
    differences = []
    for sigma in sigmas:
        y = images.cpu() + sigma * noise
        expected = truth.noise(y.double(), sigma)
        found = denoiser.noise(y.to(denoiser.device), sigma).cpu().double()
        differences.append(
            float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())
        )
    return Check(
        sigmas,
        tuple(differences),
        "double precision on the CPU" if on_cpu else "single precision on the CPU",
    )

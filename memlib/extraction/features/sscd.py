"""SSCD, the copy-detection features of Pizzi et al. 2022 (arXiv 2202.10261), in a fixed
architecture.

    f(x) = W GeM(R(x)) + b,  features f / |f|,  GeM(z) = (mean over places of max(z, 1e-6)^3)^(1/3)

R is a ResNet-50 without its head and f has 512 values. Weights come from safetensors in the layout
of the published torchvision files (sscd_disc_mixup.torchvision.pt and its siblings), with or
without the prefix "backbone." in the names.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from memlib.denoisers.weights import read_header
from memlib.quoting import quoted

BLOCKS, FEATURES = (3, 4, 6, 3), 512
LEAST, POWER = 1e-6, 3  # of the generalised mean


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; the middle one has the stride."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or channels != 4 * width:
            shortcut = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        total: Tensor = y.relu()
        return total


class SSCD(nn.Module):
    """Maps pictures (B, 3, H, W), normalised as for ImageNet, to unit vectors (B, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, count in enumerate(BLOCKS):
            width, blocks = 64 * 2**stage, nn.Sequential()
            for block in range(count):
                blocks.append(Bottleneck(channels, width, 2 if stage and not block else 1))
                channels = 4 * width
            self.add_module(f"layer{stage + 1}", blocks)
        self.fc = nn.Linear(channels, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        for stage in range(len(BLOCKS)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        pooled = x.clamp(min=LEAST).pow(POWER).mean((2, 3)).pow(1 / POWER)
        return normalize(self.fc(pooled))


def load_sscd(file: Path) -> SSCD:
    """Read the network from a safetensors file; its shapes are compared before it is built.

    Raises ValueError for a file that is damaged or contains another network.
    """
    shapes = {_plain(name): shape for name, shape in read_header(file).items()}
    with torch.device("meta"):
        described = {name: tuple(value.shape) for name, value in SSCD().state_dict().items()}
    wrong = sorted(
        name
        for name in described.keys() | shapes.keys()
        if described.get(name) != shapes.get(name) and not name.endswith("num_batches_tracked")
    )
    if wrong:
        raise ValueError(
            f"{quoted(file.name, 100)} does not contain SSCD's ResNet-50 with {FEATURES} features: "
            f"{len(wrong)} tensors differ, the first is {quoted(wrong[0], 80)}."
        )
    network = SSCD()
    try:
        weights = {_plain(name): weight for name, weight in load_file(file).items()}
        network.load_state_dict(weights, strict=False)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"The weights in {quoted(file.name, 100)} cannot be read.") from error
    return network.eval().requires_grad_(False)


def _plain(name: str) -> str:
    return name.removeprefix("backbone.")

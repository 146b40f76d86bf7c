"""A model is tried before it is used: whether it draws its own size, in numbers that are finite."""

import torch

from memlib.denoisers.network import NetworkDenoiser
from memlib.denoisers.work import autoencoder_forward, check_work, network_forward
from memlib.quoting import first_line


@torch.no_grad()
def try_out(denoiser: NetworkDenoiser) -> None:
    """Forwards over the noise range, so that a network that cannot draw its own size or is full of
    NaN is refused here and not in a run.
    """
    forwards = [network_forward(denoiser.network, denoiser.shape, denoiser.label)]
    if denoiser.autoencoder:
        both = denoiser.shape, denoiser.picture_shape
        forwards.append(autoencoder_forward(denoiser.autoencoder.network, *both))
    check_work(denoiser.name, *forwards)
    y = torch.zeros(1, *denoiser.shape, device=denoiser.device)
    try:
        outputs = [denoiser(y, sigma) for sigma in (denoiser.sigma_floor, denoiser.sigma_max)]
        if denoiser.autoencoder:
            pictures = denoiser.decode(y)
            outputs += [denoiser.encode(torch.zeros(1, *denoiser.picture_shape))]
            if pictures.shape[1:] != denoiser.picture_shape or not torch.isfinite(pictures).all():
                raise ValueError(
                    f"The autoencoder of {denoiser.name} returns pictures that are not finite or "
                    f"not {denoiser.picture_shape}."
                )
    except (RuntimeError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The network of {denoiser.name} fails on an image of its own size: "
            f"{first_line(error)}."
        ) from error
    if any(output.shape != y.shape or not torch.isfinite(output).all() for output in outputs):
        raise ValueError(
            f"The network of {denoiser.name} returns values that are not finite or not of the "
            "image's shape."
        )

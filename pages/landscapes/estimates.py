"""The slow fields: exact over discs and along the flow, and their estimates."""

import io
import json
from typing import Any

import numpy as np
from streamlit.delta_generator import DeltaGenerator

from memlib import landscapes as land
from pages.landscapes.fields import ARROWS, LEVELS, SIZE, disc_fields, exact_fields, growth_fields
from pages.landscapes.settings import Settings

Fields = dict[str, np.ndarray]


def estimate(text: str, chosen: Settings, below: DeltaGenerator | None = None) -> Fields:
    """Compute the fields level by level, so that a newer landscape can interrupt.

    Signs are flipped so that a peak is positive. Progress is drawn in `below`.
    """
    powers, directions, seed = chosen.powers, chosen.directions, chosen.seed
    discs = []
    for place, (level, radius) in enumerate(zip(LEVELS, chosen.radii, strict=True)):
        discs.append(disc_fields(text, level, radius, powers, directions, seed))
        if below is not None:
            below.progress((place + 1) / (len(LEVELS) + 1), "Estimating")
    disc, guess, error = (np.stack(parts, 1) for parts in zip(*discs, strict=True))
    grown, counted, spread = growth_fields(text, chosen.probes, seed)
    return {
        "disc": -disc,
        "disc_estimate": -guess,
        "disc_difference": disc - guess,
        "disc_error": error,
        "growth": grown,
        "growth_estimate": counted,
        "growth_difference": counted - grown,
        "growth_error": spread,
    }


def as_npz(text: str, chosen: Settings, estimates: Fields) -> bytes:
    """Pack every field with its axes and settings, without pickles."""
    line = land.grid(SIZE).view(SIZE, SIZE, 2)[0, :, 0].numpy()
    exact = exact_fields(text, chosen.powers)
    fields = {
        "log_density": exact["log_density"],
        "p_laplacian_point": exact["p_laplacian"],
        "p_laplacian_disc": -estimates["disc"],
        "p_laplacian_disc_estimate": -estimates["disc_estimate"],
        "p_laplacian_disc_stderr": estimates["disc_error"],
        "log_growth": estimates["growth"],
        "log_growth_estimate": estimates["growth_estimate"],
        "log_growth_stderr": estimates["growth_error"],
    }
    shown: dict[str, Any] = {
        name: values.reshape(*values.shape[:-1], SIZE, SIZE).astype(np.float32)
        for name, values in fields.items()
    }
    modes = land.parse_modes(text)
    details = {
        "modes": "x,y,sx,sy,angle,weight",
        "directions": chosen.directions,
        "probes": chosen.probes,
        "seed": chosen.seed,
        "axes": "p, sigma, y, x",
    }
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        x=line,
        y=line,
        sigmas=np.array(LEVELS),
        radii=np.array(chosen.radii),
        p=np.array(chosen.powers),
        score=exact["arrows"].reshape(len(LEVELS), ARROWS, ARROWS, 2).astype(np.float32),
        modes=np.array([(one.x, one.y, one.sx, one.sy, one.angle, one.weight) for one in modes]),
        settings=np.array(json.dumps(details)),
        **shown,
    )
    return stream.getvalue()

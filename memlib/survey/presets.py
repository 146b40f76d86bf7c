"""How thorough a survey is: how many pictures are drawn, which measures are taken of how many
images, and of how many the reproduction rate is estimated.
"""

from dataclasses import dataclass

from memlib.measures import MEASURES

LEVELS = (0.5, 0.2, 1.0, 2.0)  # of p-Laplace, those of most use first


def _k(count: int) -> tuple[str, ...]:
    return tuple(f"k_1_at_{level:g}" for level in LEVELS[:count])


@dataclass(frozen=True)
class Preset:
    """What a survey does; larger presets contain what smaller ones measure."""

    title: str
    draws: int  # pictures, without guidance
    steps: int  # of the deterministic sampler
    measures: tuple[str, ...]
    most: int  # images that are measured, at random where there are more
    rates: int  # images whose reproduction rate is estimated, the likeliest first

    def tells(self) -> str:
        """Say what it can tell and what it cannot. With 95% confidence, an image with a rate above
        3 / n is among n pictures (the rule of three).
        """
        seen = (
            f"Shows the images that come back in at least 1 of {self.draws // 3:,} pictures; rarer "
            "ones may be missed"
        )
        if not self.rates:
            return (
                f"{seen}, how rare is not estimated, and with {self.steps} steps a model may give "
                "away fewer than with 50."
            )
        return (
            f"{seen}, but the rates of the {self.rates:,} likeliest images are estimated, however "
            "rare; of the others it cannot tell how rare they are."
        )


_FIRST = ("denoising_loss", "volume_growth")
PRESETS = {
    "quick": Preset("Quick", 256, 20, (*_FIRST, *_k(1)), 256, 0),
    "standard": Preset("Standard", 1024, 50, (*_FIRST, *_k(3)), 1024, 20),
    "thorough": Preset("Thorough", 4096, 50, (*_FIRST, *_k(4), "flipd"), 4096, 50),
}
RATE = MEASURES["reproduction_rate"]

"""The two planes: exact and estimated fields of a landscape."""

from collections.abc import Callable

from memlib import landscapes as land
from pages.landscapes.estimates import Fields
from pages.landscapes.fields import LEVELS, SIZE, START, exact_fields, flow_paths, probe_rows
from pages.landscapes.settings import Settings
from pages.widgets.plane import Edit, Field, Probe, Quantity, plane


def draw(
    text: str,
    chosen: Settings,
    point: tuple[float, float],
    estimates: Fields | None,
    on_edit: Callable[[Edit], None],
) -> None:
    """Draw the planes with the fields computed so far; `estimates` is None while they are
    computed.
    """
    values, axes, rows = probe_rows(
        text, *point, chosen.radii, chosen.powers, chosen.directions, chosen.probes, chosen.seed
    )
    modes = land.parse_modes(text)
    plane(
        quantities(exact_fields(text, chosen.powers), estimates or {}),
        key="landscape",
        sigmas=LEVELS,
        start=START,
        powers=chosen.powers,
        power=chosen.p,
        extent=land.EXTENT,
        size=SIZE,
        modes=[(one.x, one.y, one.sx, one.sy, one.angle, one.weight) for one in modes],
        probe=Probe(*point, values, axes, rows),
        radii=chosen.radii,
        widest=land.WIDEST,
        most=land.MOST_MODES,
        flow=flow_paths(text, *point, chosen.side, chosen.seed),
        on_edit=on_edit,
    )


def quantities(exact: Fields, found: Fields) -> list[Quantity]:
    """List everything that can be shown, from the exact fields and the estimates computed
    so far.
    """
    return [
        Quantity(
            "Log density",
            "density",
            "nats",
            Field("Exact log p(y; σ)", exact["log_density"], arrows=exact["arrows"]),
            note="The density at noise level σ, its top 12 nats, with the score: the arrows "
            "point uphill and are drawn where the score is large.",
        ),
        Quantity(
            "p-Laplace",
            "signed",
            "",
            Field("Exact over the disc, −Δₚ", found.get("disc")),
            [
                Field("Estimated by the flux", found.get("disc_estimate")),
                Field("Estimated minus exact", found.get("disc_difference"), "signed"),
                Field("Standard error", found.get("disc_error"), "size"),
            ],
            note="The p-Laplacian averaged over the dashed disc, with its sign flipped: red "
            "where the score points inward, as at a memorised image, blue in the valleys "
            "between modes. Colours are logarithmic over two decades; each level and p has "
            "its own range.",
        ),
        Quantity(
            "p-Laplace at the point",
            "signed",
            "",
            Field("Exact at the point, −Δₚ", -exact["p_laplacian"]),
            note="div(|s|^(p−2) s) itself, with its sign flipped. For p below 2 it is unbounded "
            "where the score vanishes, so it is averaged over discs.",
        ),
        Quantity(
            "Log growth",
            "plain",
            "nats",
            Field("Exact", found.get("growth")),
            [
                Field("Estimated by probes", found.get("growth_estimate")),
                Field("Estimated minus exact", found.get("growth_difference"), "signed"),
                Field("Standard error", found.get("growth_error"), "size"),
            ],
            note="How much latent volume leads to an image at each point: the log volume growth "
            f"along the ODE from σ = {LEVELS[0]:g} up to the shown level; the last level is "
            "the latent. The difference also contains the error of the estimator's "
            f"{len(LEVELS) - 1} steps, which its standard error does not include.",
        ),
    ]

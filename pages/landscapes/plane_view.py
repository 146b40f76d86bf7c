"""The two planes: what is shown of a landscape, exact and estimated."""

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
    """Draw the planes with what is there already; `estimates` is None while they are computed."""
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
    """Everything that can be shown, from the exact fields and what is found of the others."""
    return [
        Quantity(
            "Log density",
            "density",
            "nats",
            Field("Exact log p(y; σ)", exact["log_density"], arrows=exact["arrows"]),
            note="The landscape seen through noise of level σ, its top 12 nats, with the score: "
            "the arrows point uphill and show the direction where the score is large.",
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
            note="The p-Laplacian averaged over the dashed disc, with its sign turned: red where "
            "the score points inward, as at a memorised image, blue in the valleys between. "
            "Colours are logarithmic over two decades; each level and p has its own range.",
        ),
        Quantity(
            "p-Laplace at the point",
            "signed",
            "",
            Field("Exact at the point, −Δₚ", -exact["p_laplacian"]),
            note="div(|s|^(p−2) s) itself, with its sign turned. For p below 2 it has no bound "
            "where the score vanishes; this is why discs are measured.",
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
            note="How much latent volume belongs to an image at each point: the log volume "
            f"growth along the ODE from σ = {LEVELS[0]:g} up to the shown level; the last level "
            "is the latent. The difference also holds the error of the estimator's "
            f"{len(LEVELS) - 1} steps, which its standard error does not include.",
        ),
    ]

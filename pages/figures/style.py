"""One style for every figure: colours, the legend, what the tool bar offers."""

GREY = "#8a8696"  # seen on light and dark
GROUP_COLOURS = ("#a63a8c", "#e0704f", "#4a8fa8", GREY, "#5a8f62", "#c9a13b")
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}


def group_colours(groups: list[str]) -> dict[str, str]:
    return {group: GROUP_COLOURS[place % len(GROUP_COLOURS)] for place, group in enumerate(groups)}

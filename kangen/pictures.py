"""Pictures of edge functions: one drawing for PNG files and for the report, whose style sheet colours it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, FigureBase

from kangen.edges import Edge, LayerEdges

COLUMNS = 4
PANEL = (2.55, 1.6)  # inches
HEADER = 0.75


@dataclass(frozen=True)
class Palette:
    ink: str
    muted: str
    line: str
    smooth: str
    data: str


PAPER = Palette(ink="#1c2733", muted="#66727f", line="#0b62c4", smooth="#f0a04b", data="#e3e9ef")
# Colours that stand for the variables of the report's style sheet, which knows light and dark.
STAND_INS = Palette(ink="#010203", muted="#010204", line="#010205", smooth="#010206", data="#010207")

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kangen",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}


def edges_png(layers: Sequence[LayerEdges]) -> bytes:
    """All layers, one above the other."""
    with matplotlib.rc_context(_SETTINGS):
        heights = [_height(layer) for layer in layers]
        figure = Figure(figsize=(COLUMNS * PANEL[0], sum(heights)), dpi=160, facecolor="white")
        FigureCanvasAgg(figure)
        parts = figure.subfigures(len(layers), 1, squeeze=False, height_ratios=heights)
        for part, layer in zip(parts[:, 0], layers, strict=True):
            part.set_facecolor("white")
            _draw(part, layer, PAPER, title=True)
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def edges_svg(layer: LayerEdges) -> str:
    """One layer as an SVG element, coloured by CSS variables, the same bytes every time."""
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": f"kangen layer {layer.number}"}):
        figure = Figure(figsize=(COLUMNS * PANEL[0], _height(layer) - HEADER + 0.25))
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        _draw(figure, layer, STAND_INS, title=False)
        content = io.StringIO()
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = content.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"(\d\.\d\d)\d+", r"\1", drawn[drawn.index("<svg") :])  # a hundredth of a point is fine enough
    for name in ("ink", "muted", "line", "smooth", "data"):
        drawn = drawn.replace(getattr(STAND_INS, name), f"var(--{name})")
    # Ids are made unique, for several drawings share the page.
    return (
        drawn.replace('id="', f'id="l{layer.number}-')
        .replace("url(#", f"url(#l{layer.number}-")
        .replace('href="#', f'href="#l{layer.number}-')
    )


def _height(layer: LayerEdges) -> float:
    rows = max(1, -(-len(layer.strongest) // COLUMNS))
    return rows * PANEL[1] + HEADER


def _draw(figure: FigureBase, layer: LayerEdges, palette: Palette, *, title: bool) -> None:
    rows = max(1, -(-len(layer.strongest) // COLUMNS))
    height = rows * PANEL[1] + (HEADER if title else 0.25)
    top = HEADER if title else 0.22
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    figure.subplots_adjust(left=0.045, right=0.985, top=1 - top / height, bottom=0.32 / height, wspace=0.28, hspace=0.5)
    if title:
        figure.text(
            0.045,
            1 - 0.2 / height,
            f"Layer {layer.number}: the {len(layer.strongest)} strongest of {layer.total:,} edge functions",
            fontsize=10,
            fontweight="bold",
            color=palette.ink,
            va="center",
        )
        figure.text(
            0.045,
            1 - 0.38 / height,
            f"input {layer.x_unit}, output in {layer.y_unit}; blue: int8 as it runs, orange: before rounding, "
            "grey: where the data lie",
            color=palette.muted,
            va="center",
        )
    panels = list(grid.ravel())
    for axes, edge in zip(panels, layer.strongest, strict=False):
        _panel(axes, edge, palette)
    for axes in panels[len(layer.strongest) :]:
        axes.set_axis_off()


def _panel(axes: Axes, edge: Edge, palette: Palette) -> None:
    order = np.argsort(edge.x, kind="stable")
    x, quantised, smooth, density = edge.x[order], edge.quantised[order], edge.smooth[order], edge.density[order]
    low, high = float(min(quantised.min(), smooth.min())), float(max(quantised.max(), smooth.max()))
    room = 0.08 * max(high - low, 1e-9)
    if len(x) == 2:
        axes.bar(x, quantised, width=0.5, color=palette.line)
        axes.set_xticks([0, 1])
        axes.set_xlim(-0.6, 1.6)
    else:
        bins = density.reshape(32, 8).sum(axis=1)  # eight codes a bar
        tallest = max(float(bins.max()), 1e-9)
        edges_of_bins = np.append(x[::8], x[-1])
        heights = low - room + bins / tallest * (high - low) * 0.6
        axes.stairs(heights, edges_of_bins, baseline=low - room, fill=True, color=palette.data)
        axes.plot(x[::3], smooth[::3], color=palette.smooth, linewidth=3.0, solid_capstyle="round")
        axes.plot(x, quantised, color=palette.line, linewidth=0.9, drawstyle="steps-mid")
        axes.set_xlim(float(x[0]), float(x[-1]))
        axes.set_ylim(low - room, high + room)
    axes.set_title(f"{_short(edge.source)} → {_short(edge.target)}", fontsize=7.5, color=palette.ink, loc="left", pad=4)
    axes.tick_params(colors=palette.muted, labelsize=6.5, pad=1.5)
    axes.locator_params(axis="y", nbins=4)
    if len(x) > 2:
        axes.locator_params(axis="x", nbins=5)
    axes.patch.set_alpha(0)
    for spine in axes.spines.values():
        spine.set_color(palette.muted)


def _short(name: str, most: int = 24) -> str:
    """A name without its unit, which a title has no room for."""
    plain = re.sub(r" \[[^]]*\]$", "", name)
    return (plain if len(plain) <= most else plain[: most - 1] + "…").replace("$", r"\$")

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
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure, FigureBase

from kangen.edges import Edge, LayerEdges, WordMap

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


def captions(layer: LayerEdges) -> tuple[str, str]:
    """What a layer's picture shows, and how to read it."""
    if layer.map is not None:
        title = f"Layer {layer.number}: the {len(layer.map.words)} inputs that matter most"
        return title, f"what a 1 adds to each of {layer.map.adds.shape[1]} outputs: blue is more, orange is less"
    title = f"Layer {layer.number}: {len(layer.strongest)} of the strongest of {layer.total:,} edge functions"
    return title, f"across: the input, {layer.x_unit}; upwards: what it adds to the output, in {layer.y_unit}"


def _rows(layer: LayerEdges) -> int:
    return max(1, -(-len(layer.strongest) // COLUMNS))


def _height(layer: LayerEdges) -> float:
    drawn = 0.19 * len(layer.map.words) + 0.2 if layer.map is not None else _rows(layer) * PANEL[1]
    return drawn + HEADER


def _draw(figure: FigureBase, layer: LayerEdges, palette: Palette, *, title: bool) -> None:
    height = _height(layer) - (0 if title else HEADER - 0.25)
    if title:
        heading, reading = captions(layer)
        figure.text(0.045, 1 - 0.2 / height, heading, fontsize=10, fontweight="bold", color=palette.ink, va="center")
        if layer.map is None:
            reading += "; blue: int8 as it runs, orange: before rounding, grey: where the data lie"
        figure.text(0.045, 1 - 0.38 / height, reading, color=palette.muted, va="center")
    bounds = {"right": 0.985, "top": 1 - (HEADER if title else 0.22) / height, "bottom": 0.32 / height}
    if layer.map is not None:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.13, **bounds)
        _map(axes, layer.map, palette)
        return
    grid = figure.subplots(_rows(layer), COLUMNS, squeeze=False)
    figure.subplots_adjust(left=0.045, wspace=0.28, hspace=0.5, **bounds)
    panels = list(grid.ravel())
    for axes, edge in zip(panels, layer.strongest, strict=False):
        _panel(axes, edge, palette)
    for axes in panels[len(layer.strongest) :]:
        axes.set_axis_off()


def _map(axes: Axes, words: WordMap, palette: Palette) -> None:
    rows, columns = np.nonzero(words.adds)
    values = words.adds[rows, columns]
    strength = np.round(np.abs(values) / max(float(np.abs(words.adds).max()), 1e-9), 2)
    colours = [
        to_rgba(palette.line if value > 0 else palette.smooth, float(alpha))
        for value, alpha in zip(values, strength, strict=True)
    ]
    axes.scatter(columns, rows, c=colours, marker="s", s=62, linewidths=0)
    axes.set_xlim(-0.7, words.adds.shape[1] - 0.3)
    axes.set_ylim(len(words.words) - 0.4, -0.6)
    axes.set_yticks(range(len(words.words)), [_short(word) for word in words.words])
    axes.set_xticks([])
    axes.set_xlabel("hidden units", color=palette.muted)
    axes.tick_params(colors=palette.ink, length=0)
    axes.patch.set_alpha(0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _panel(axes: Axes, edge: Edge, palette: Palette) -> None:
    order = np.argsort(edge.x, kind="stable")
    x, quantised, smooth, density = edge.x[order], edge.quantised[order], edge.smooth[order], edge.density[order]
    low, high = float(min(quantised.min(), smooth.min())), float(max(quantised.max(), smooth.max()))
    room = 0.08 * max(high - low, 1e-9)
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
    axes.locator_params(axis="x", nbins=5)
    axes.patch.set_alpha(0)
    for spine in axes.spines.values():
        spine.set_color(palette.muted)


def _short(name: str, most: int = 24) -> str:
    """A name without its unit, which a title has no room for."""
    plain = re.sub(r" \[[^]]*\]$", "", name)
    return (plain if len(plain) <= most else plain[: most - 1] + "…").replace("$", r"\$")

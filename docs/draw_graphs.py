"""Draws the three graphs and the network over them: ``python docs/draw_graphs.py [file.svg|file.png]``."""

import os
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK, MUTED, CANDIDATE = "#1f2733", "#5f6977", "#a3adba"
SOURCE, TARGET, KNOWN, HIDDEN = "#2f6db3", "#7b4ea3", "#1f8a5b", "#d9650d"
WIDTH, HEIGHT = 10.0, 6.1  # inches; one axis unit is one inch
SOURCE_X, TARGET_X, NODE_W, NODE_H = 1.5, 5.3, 1.1, 0.5
ROWS = (4.92, 4.12, 3.32, 2.52)
CLASSES = ("dog", "rooster", "rain", "sea waves")
INTRA = ((0, 1), (2, 3), (1, 3))
# source row, target row, score, where along the edge the score stands
CANDIDATES = (
    (0, 1, "0.2", 0.28),
    (1, 0, "0.4", 0.28),
    (1, 2, "0.1", 0.28),
    (2, 2, "0.7", 0.5),
    (2, 3, "0.5", 0.28),
    (3, 3, "0.8", 0.5),
    (3, 2, "0.3", 0.28),
)
LEGEND = (
    ("node", SOURCE, "source instance", "a sound, an image, a user"),
    ("node", TARGET, "target instance", "a class name, a caption, an item"),
    ("intra", SOURCE, "intra-edge", "related inside one modality"),
    ("line", CANDIDATE, "candidate inter-edge", "a possible pair and its first score"),
    ("known", KNOWN, "observed inter-edge", "answer known: evidence only"),
    ("hidden", HIDDEN, "hidden inter-edge", "answer asked for: supervised"),
)


def box(ax: Axes, x: float, y: float, w: float, h: float, edge: str, face: str = "white", lw: float = 1.6) -> None:
    """A rounded box centred on (x, y)."""
    shape = FancyBboxPatch((x - w / 2, y - h / 2), w, h, boxstyle="round,pad=0,rounding_size=0.1")
    shape.set(edgecolor=edge, facecolor=face, linewidth=lw, zorder=3)
    ax.add_patch(shape)


def label(ax: Axes, x: float, y: float, text: str, colour: str = INK, size: float = 10, bold: bool = False) -> None:
    """Text centred on (x, y)."""
    ax.text(
        x, y, text, color=colour, fontsize=size, weight="bold" if bold else "normal", ha="center", va="center", zorder=5
    )


def chip(ax: Axes, x: float, y: float, text: str, colour: str, bold: bool = False, size: float = 9.5) -> None:
    """A label on an edge: white behind, so that it stays readable."""
    patch = {"boxstyle": "round,pad=0.18", "facecolor": "white", "edgecolor": "none"}
    weight = "bold" if bold else "normal"
    ax.text(x, y, text, color=colour, fontsize=size, weight=weight, ha="center", va="center", bbox=patch, zorder=4)


def curve(ax: Axes, start: tuple[float, float], end: tuple[float, float], bend: float, colour: str) -> None:
    """An intra-edge."""
    line = FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-", shrinkA=0, shrinkB=0)
    line.set(color=colour, linewidth=1.8, zorder=2)
    ax.add_patch(line)


def arrow(ax: Axes, start: float, end: float, y: float) -> None:
    """A step of the network."""
    line = FancyArrowPatch((start, y), (end, y), arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0)
    line.set(color=MUTED, linewidth=1.4, zorder=4)
    ax.add_patch(line)


def waveform(row: int) -> tuple[np.ndarray, np.ndarray]:
    """A made-up sound for each row: two barks, a crow, steady rain, a swelling wave."""
    t = np.linspace(0, 1, 161)
    noise = np.random.default_rng(row).uniform(-1, 1, t.size)
    barks = np.exp(-(((t - 0.25) / 0.09) ** 2)) + 0.8 * np.exp(-(((t - 0.7) / 0.09) ** 2))
    crow = np.sin(np.pi * t) ** 0.7 * (0.55 + 0.45 * np.cos(9 * t))
    shape = (
        barks * np.sin(190 * t),
        crow * np.sin(60 * t + 70 * t**2),
        0.55 * noise,
        (0.12 + 0.75 * np.sin(np.pi * t) ** 4) * noise,
    )[row]
    return t, shape


def draw_nodes(ax: Axes) -> None:
    """The two columns, each with its intra graph on a tinted panel."""
    middle = (ROWS[0] + ROWS[-1]) / 2
    for x, side, colour, tint in ((SOURCE_X, -1, SOURCE, "#eef4fb"), (TARGET_X, 1, TARGET, "#f5f0fa")):
        panel = FancyBboxPatch(
            (x + side * 0.34 - 1.0, middle - 1.62), 2.0, 3.24, boxstyle="round,pad=0,rounding_size=0.16"
        )
        panel.set(facecolor=tint, edgecolor="none", zorder=0)
        ax.add_patch(panel)
        edge = x + side * NODE_W / 2
        for a, b in INTRA:
            curve(ax, (edge, ROWS[a]), (edge, ROWS[b]), side * -0.5, colour)
    for row, y in enumerate(ROWS):
        box(ax, SOURCE_X, y, NODE_W, NODE_H, SOURCE)
        t, shape = waveform(row)
        ax.plot(SOURCE_X - 0.45 + 0.9 * t, y + 0.19 * shape, color=SOURCE, linewidth=0.9, zorder=4)
        box(ax, TARGET_X, y, NODE_W, NODE_H, TARGET)
        label(ax, TARGET_X, y, CLASSES[row], TARGET, 11)
    for x, title, what in (
        (SOURCE_X - 0.34, "Intra Graph", "of sounds"),
        ((SOURCE_X + TARGET_X) / 2, "Inter Graph", "of candidate pairs"),
        (TARGET_X + 0.34, "Intra Graph", "of class names"),
    ):
        label(ax, x, 5.85, title, INK, 12, bold=True)
        label(ax, x, 5.61, what, MUTED, 10)


def draw_inter(ax: Axes) -> None:
    """Candidate pairs with their scores, one observed and one hidden."""
    left, right = SOURCE_X + NODE_W / 2, TARGET_X - NODE_W / 2
    for s, t, score, at in CANDIDATES:
        ax.plot([left, right], [ROWS[s], ROWS[t]], color=CANDIDATE, linewidth=1.4, zorder=1)
        chip(ax, left + at * (right - left), ROWS[s] + at * (ROWS[t] - ROWS[s]), score, MUTED)
    middle = (left + right) / 2
    ax.plot([left, right], [ROWS[0]] * 2, color=KNOWN, linewidth=3, zorder=2)
    chip(ax, middle, ROWS[0], "known", KNOWN, bold=True)
    ax.plot([left, right], [ROWS[1]] * 2, color=HIDDEN, linewidth=2.6, linestyle=(0, (3.0, 1.54)), zorder=2)
    chip(ax, middle, ROWS[1], "?", HIDDEN, bold=True, size=13)


def draw_legend(ax: Axes) -> None:
    """What each mark means, right of the graphs."""
    style = {"intra": "-", "line": "-", "known": "-", "hidden": (0, (2.2, 1.3))}
    width = {"intra": 1.8, "line": 1.8, "known": 3.0, "hidden": 2.6}
    for row, (kind, colour, name, meaning) in enumerate(LEGEND):
        y = 5.06 - 0.535 * row
        if kind == "node":
            box(ax, 7.2, y, 0.36, 0.24, colour)
        else:
            ax.plot([7.0, 7.4], [y, y], color=colour, linewidth=width[kind], linestyle=style[kind])
        if kind == "intra":  # both modalities have them
            ax.plot([7.2, 7.4], [y, y], color=TARGET, linewidth=width[kind])
        ax.text(7.6, y + 0.09, name, color=INK, fontsize=10, weight="bold", va="center")
        ax.text(7.6, y - 0.1, meaning, color=MUTED, fontsize=9, va="center")


def draw_network(ax: Axes) -> None:
    """The strip below: encoder -> [intra unit, inter unit] x n -> decoder."""
    y = 0.92
    panel = FancyBboxPatch((3.02, y - 0.62), 3.96, 1.24, boxstyle="round,pad=0,rounding_size=0.14")
    panel.set(facecolor="#f4f6f8", edgecolor=CANDIDATE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    ax.add_patch(panel)
    label(ax, 6.7, y, "× $n$", INK, 12, bold=True)
    steps = (
        (2.05, 1.2, "encoder", "(1)", INK),
        (3.95, 1.4, "intra unit", "(3)–(5), (8)", INK),
        (5.65, 1.4, "inter unit", "(6)–(7), (8)", INK),
        (7.95, 1.2, "decoder", "(2)", INK),
    )
    for x, w, name, equations, colour in steps:
        box(ax, x, y, w, 0.72, colour)
        label(ax, x, y + 0.12, name, colour, 11, bold=True)
        label(ax, x, y - 0.16, equations, MUTED, 9.5)
    label(ax, 0.68, y + 0.1, "three", INK, 11)
    label(ax, 0.68, y - 0.12, "graphs", INK, 11)
    label(ax, 9.38, y + 0.1, "score per", INK, 11)
    label(ax, 9.38, y - 0.12, "inter-edge", INK, 11)
    for start, end in ((1.08, 1.42), (2.68, 3.2), (4.68, 4.92), (7.02, 7.32), (8.58, 8.9)):
        arrow(ax, start, end, y)


def main(out: Path) -> None:
    """Write the drawing to ``out``; the suffix chooses the format. The same input gives the same bytes."""
    mpl.rcParams.update({"svg.hashsalt": "rrnet", "font.family": "DejaVu Sans"})
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.set_axis_off()
    for draw in (draw_nodes, draw_inter, draw_legend, draw_network):
        draw(ax)
    part = out.with_name(f".part-{out.name}")
    figure.savefig(part, dpi=180, metadata={"Date": None} if out.suffix == ".svg" else None)
    os.replace(part, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("graphs.svg"))

"""Plots of a report as inline SVG: the same numbers give the same bytes.

Colours are names that the page defines for light and dark; the fallbacks are those of Okabe and Ito,
which people with any colour vision can tell apart. Shapes and dashes say the same as the colours.
"""

import io
import re
import warnings
from collections.abc import Sequence
from html import escape
from statistics import median
from typing import Any, Final

from novum.core.judgement import two_sided
from novum.core.quantity import DIMENSIONLESS
from novum.core.science import Outcome
from novum.workflows.reporting.figures import unit_text
from novum.workflows.reporting.report import Agreement, Axis, Point, Scatter, Series, Spending

# Each is drawn in a colour that nothing else has, and then becomes a variable of the page's style.
INK: Final = "#010101"
MUTED: Final = "#010102"
GRID: Final = "#010103"
OWN: Final = "#010104"
CONTROL: Final = "#010105"
GOOD: Final = "#010106"
BAD: Final = "#010107"
PAPER: Final = "#010108"

_VARIABLES: Final = {
    INK: "var(--ink, #1d2327)",
    MUTED: "var(--muted, #5b6670)",
    GRID: "var(--rule, #dfe3e6)",
    OWN: "var(--own, #0072b2)",
    CONTROL: "var(--control, #b86e00)",
    GOOD: "var(--good, #00785a)",
    BAD: "var(--bad, #c4500a)",
    PAPER: "var(--paper, #ffffff)",
}

MAX_NAME: Final = 36
"""Characters of a name in a plot."""

_STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "novum",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.limits": (-4, 6),
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


def plot_progress(axis: Axis, own: Series, control: Series | None = None) -> str:
    """Return the best so far against the number of experiments, with the control arm.

    Experiments that break a constraint are crosses, failed ones are ticks on the axis. The curve is
    dotted for as long as no candidate keeps every constraint.
    """
    if not any(p.value is not None for p in own.points):
        return ""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        end = max(p.number for s in (own, control) if s for p in s.points)
        _cloud(axes, own.points)
        _curve(axes, own, end, OWN, dashed=False, name=f"best so far: {_short(own.planner)}")
        if control is not None and control.points:
            _curve(axes, control, end, CONTROL, dashed=True, name=f"control: {_short(control.planner)}")
        for bound in {axis.low, axis.high} - {None}:
            axes.axhline(bound, color=GOOD, linewidth=1, linestyle=(0, (1, 2)))
        _frame(axes, "experiment", _label(axis.label, axis.unit))
        axes.set_xlim(0, end + 1)
        _whole_numbers(axes.xaxis)
        if axis.kind == "met":
            _whole_numbers(axes.yaxis)
        _legend(figure, axes)

    return _svg(paint, (5.6, 3.5), "best so far by experiment", "progress")


def plot_agreement(agreement: Agreement, name: str) -> str:
    """Return predicted against observed for one property, with 95 % intervals and the line y = x."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        styles = {
            Outcome.SUPPORTED: (OWN, "o", "supported"),
            Outcome.REFUTED: (BAD, "D", "refuted"),
            Outcome.INCONCLUSIVE: (MUTED, "s", "inconclusive"),
            Outcome.OUT_OF_DOMAIN: (MUTED, "^", "out of domain"),
        }
        half = two_sided()
        for outcome, (colour, marker, label) in styles.items():
            points = [p for p in agreement.points if p.outcome is outcome]
            if points:
                axes.errorbar(
                    [p.observed for p in points],
                    [p.expected for p in points],
                    yerr=[half * p.std for p in points],
                    fmt=marker,
                    color=colour,
                    markersize=4.5,
                    elinewidth=0.8,
                    markerfacecolor=colour if outcome is Outcome.SUPPORTED else PAPER,
                    markeredgewidth=1.1,
                    alpha=0.85,
                    label=label,
                    zorder=3 if outcome is Outcome.REFUTED else 2,
                )
        low, high = _range([v for p in agreement.points for v in (p.observed, p.expected)])
        axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        _frame(axes, _label(f"observed {agreement.property}", agreement.unit), "predicted, 95 % interval")
        axes.set_xlim(low, high)
        # A first guess may know next to nothing; its interval must not press all others flat.
        usual = half * median(p.std for p in agreement.points)
        axes.set_ylim(low - min(usual, high - low), high + min(usual, high - low))
        _legend(figure, axes)

    return _svg(paint, (4.2, 3.5), f"predicted against observed {agreement.property}", name, top=0.36)


def plot_scatter(scatter: Scatter, name: str) -> str:
    """Return two optimised properties against each other, with the Pareto front marked."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        groups = (
            ([p for p in scatter.points if not p.feasible], MUTED, "x", 22, "breaks a constraint"),
            ([p for p in scatter.points if p.feasible and not p.pareto], OWN, "o", 22, "feasible"),
            ([p for p in scatter.points if p.pareto], GOOD, "D", 42, "Pareto front"),
        )
        for points, colour, marker, size, label in groups:
            if points:
                axes.scatter(
                    [p.x for p in points],
                    [p.y for p in points],
                    c=colour,
                    marker=marker,
                    s=size,
                    linewidths=1,
                    label=label,
                )
        _frame(axes, _label(scatter.x, scatter.x_unit), _label(scatter.y, scatter.y_unit))
        _legend(figure, axes)

    return _svg(paint, (4.2, 3.5), f"{scatter.y} against {scatter.x}", name, top=0.36)


def plot_budget(spending: Spending) -> str:
    """Return the experiments of the budget as one bar: measured, failed, open and left."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        left = 0.0
        parts = (
            (spending.measured, OWN, "measured"),
            (spending.failed, BAD, "failed"),
            (spending.open, CONTROL, "not finished"),
            (max(0, spending.allowed - spending.used), GRID, "left"),
        )
        for n, colour, label in parts:
            if n:
                axes.barh(
                    0,
                    n,
                    left=left,
                    height=0.8,
                    color=colour,
                    edgecolor=PAPER,
                    linewidth=1,
                    label=f"{n} {label}",
                )
                left += n
        axes.set_xlim(0, max(left, 1))
        axes.set_ylim(-0.5, 0.5)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        _whole_numbers(axes.xaxis)
        axes.tick_params(labelsize=9)
        _legend(figure, axes)

    return _svg(paint, (5.6, 1.1), "experiments used of the budget", "budget", left=0.1, bottom=0.3, top=0.35)


def _cloud(axes: Any, points: Sequence[Point]) -> None:
    feasible = [(p.number, p.value) for p in points if p.value is not None and p.feasible]
    broken = [(p.number, p.value) for p in points if p.value is not None and not p.feasible]
    if feasible:
        axes.scatter(*zip(*feasible, strict=True), s=16, c=OWN, alpha=0.45, linewidths=0, label="feasible")
    if broken:
        axes.scatter(
            *zip(*broken, strict=True),
            s=16,
            c=MUTED,
            marker="x",
            alpha=0.7,
            linewidths=0.9,
            label="breaks a constraint",
        )
    failed = [p.number for p in points if p.value is None]
    if failed:
        axes.plot(
            failed,
            [0.012] * len(failed),
            transform=axes.get_xaxis_transform(),
            linestyle="none",
            marker="|",
            markersize=9,
            color=BAD,
            markeredgewidth=1.4,
            label="failed",
            clip_on=False,
        )


def _curve(axes: Any, series: Series, end: int, colour: str, *, dashed: bool, name: str) -> None:
    for feasible in (False, True):
        part = [p for p in series.best if p.feasible is feasible and p.value is not None]
        if not part:
            continue
        # What breaks a constraint leads only until something keeps them all.
        stop = end
        if not feasible:
            stop = next((p.number for p in series.best if p.feasible), end)
        xs = [p.number for p in part] + [stop]
        ys = [p.value for p in part] + [part[-1].value]
        axes.step(
            xs,
            ys,
            where="post",
            color=colour,
            linewidth=1.8 if feasible else 1.2,
            linestyle=((0, (5, 2)) if dashed else "-") if feasible else (0, (1, 1.5)),
            label=name if feasible or not any(p.feasible for p in series.best) else None,
        )
        axes.plot(
            [p.number for p in part],
            [p.value for p in part],
            "o",
            color=colour,
            markersize=4 if feasible else 2.5,
        )


def _frame(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=3, labelsize=9)


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        # The curves before the points, whatever was painted first.
        order = sorted(range(len(labels)), key=lambda i: not labels[i].startswith(("best", "control")))
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="upper left",
            ncols=3,
            handletextpad=0.5,
            columnspacing=1.4,
            borderpad=0.1,
        )


def _label(name: str, unit: str) -> str:
    return _short(name) if unit == DIMENSIONLESS else f"{_short(name)} ({unit_text(unit)})"


def _short(name: str) -> str:
    # A name may be long, as a person chose it.
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - margin, high + margin


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _svg(
    paint: Any,
    size: tuple[float, float],
    title: str,
    name: str,
    *,
    left: float = 0.75,
    bottom: float = 0.52,
    top: float = 0.5,
) -> str:
    """Return what `paint` draws on a figure of `size` inches, ready to stand in a page."""
    import matplotlib
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The page's own fonts show the text; what the measuring font lacks does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(figsize=size)
        # Fixed margins, in inches: measuring the texts would take most of the time, in a font that the
        # page does not use anyway.
        width, height = size
        figure.subplots_adjust(
            left=left / width, right=1 - 0.12 / width, bottom=bottom / height, top=1 - top / height
        )
        paint(figure)
        figure.savefig(
            out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _inline(out.getvalue(), title, name)


def _inline(svg: str, title: str, name: str) -> str:
    """Return an SVG file as an element of a page: no prologue, own ids, the page's colours and fonts."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', body)
    assert box is not None
    body = re.sub(r"<svg\b[^>]*>\s*", "", body, count=1)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r' id="(?:figure|axes|patch|text|line2d|matplotlib|xtick|ytick|legend)[^"]*"', "", body)
    body = body.replace(' id="', f' id="{name}-')
    body = body.replace('xlink:href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    # The sizes stay as they were measured; the family is the page's.
    body = body.replace("font-family: 'DejaVu Sans'; ", "")
    body = re.sub(r"font: ([\d.]+px) 'DejaVu Sans'", r"font-size: \1", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    opening = (
        f'<svg class="plot" viewBox="{box[1]}" role="img" aria-label="{escape(title)}" '
        f'style="stroke-linejoin: round" xmlns="http://www.w3.org/2000/svg">'
    )
    return opening + re.sub(r"\s*\n\s*", "\n", body).strip()

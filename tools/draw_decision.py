"""Draw docs/decision.svg: one decision of this package, made while it is drawn.

Run it from anywhere: ``python tools/draw_decision.py``. The intensities come from the embedded profile of a zone, what
is said of the two runs from ``core.policy.decide``; the constants below state the job, the rest is layout.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.core.location import Location
from airflow_carbon.core.policy import Action, Decision, decide
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.window import Window
from airflow_carbon.sources.typical import Typical

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "decision.svg"

#: The job: ready on a winter Monday afternoon, when the evening peak begins.
PLACE, LOCATION = "Great Britain", Location.parse("zone:GB")
READY_AT = datetime(2026, 1, 19, 16, tzinfo=UTC)
DURATION = timedelta(hours=2)
MAX_DELAY = timedelta(hours=12)
#: Shown before the job is ready and after its latest finish.
CONTEXT = timedelta(hours=2)

#: The picture and the plot in it [px].
WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 62, 924, 84, 338
#: Lines of the vertical axis [gCO2eq/kWh], and room above the highest step for the labels there [share].
GRID, HEADROOM = 50, 1.2
HOUR, SPACE, DASH = timedelta(hours=1), "\N{NO-BREAK SPACE}", "\N{EN DASH}"

#: Each colour on a light page and on a dark one. They stand on a card that is painted too, so that the picture stays
#: readable where a page's theme and the reader's preference differ.
COLOURS = {
    "card": ("#ffffff", "#0d1117"),
    "edge": ("#d1d9e0", "#3d444d"),
    "area": ("#eff1f3", "#1c2128"),
    "ink": ("#1f2328", "#f0f6fc"),
    "muted": ("#59636e", "#9198a1"),
    "baseline": ("#bc4c00", "#f0883e"),
    "chosen": ("#1a7f37", "#3fb950"),
    "wait": ("#8250df", "#ab7df8"),
}
STYLE = """
text { font: 13px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
text.title { font-size: 19px; font-weight: 600; } text.number { font-size: 26px; font-weight: 700; }
text.small { font-size: 12px; } text.strong { font-weight: 600; }
text.mono { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.halo { paint-order: stroke; stroke-width: 12px; stroke-linejoin: round; }
.curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; }
.thin { stroke-width: 1.5; } .dashed { stroke-dasharray: 6 4; }
.dotted { stroke-dasharray: .1 5; stroke-linecap: round; stroke-width: 2; }
.grid { stroke-opacity: .11; } .soft { fill-opacity: .26; } .faint { fill-opacity: .1; }
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold the decision and the place of its hours and intensities on the picture."""

    request: WaitRequest
    forecast: Forecast
    decision: Decision
    baseline: Window
    saving_percent: float

    @property
    def top(self) -> float:
        """Intensity at the upper edge of the plot [gCO2eq/kWh]."""
        return float(self.forecast.intensity.max()) * HEADROOM

    def x(self, moment: datetime) -> float:
        """Place a moment [px]."""
        return LEFT + (RIGHT - LEFT) * ((moment - self.forecast.start) / (self.forecast.end - self.forecast.start))

    def y(self, intensity: float) -> float:
        """Place an intensity [gCO2eq/kWh] on the picture [px]."""
        return BOTTOM - (BOTTOM - TOP) * intensity / self.top

    def rows(self) -> list[tuple[datetime, float]]:
        """Give the begin and the intensity of each step [gCO2eq/kWh]."""
        forecast = self.forecast
        return [(forecast.start + row * forecast.step, float(value)) for row, value in enumerate(forecast.intensity)]

    def steps(self, start: datetime, end: datetime) -> str:
        """Give the points of the step line between two moments [px]."""
        points = []
        for edge, intensity in self.rows():
            begin, finish = max(start, edge), min(end, edge + self.forecast.step)
            if begin < finish:
                points += [f"{self.x(moment):.1f},{self.y(intensity):.1f}" for moment in (begin, finish)]
        return " ".join(points)

    def under(self, start: datetime, end: datetime, classes: str) -> str:
        """Fill the area under the step line between two moments."""
        corners = f"{self.x(start):.1f},{BOTTOM} {self.steps(start, end)} {self.x(end):.1f},{BOTTOM}"
        return f'<polygon class="{classes}" points="{corners}"/>'


def decided() -> Scene:
    """Ask the embedded source and decide."""
    request = WaitRequest.checked(duration=DURATION, ready_at=READY_AT, latest_start=READY_AT + MAX_DELAY)
    start, end = READY_AT - CONTEXT, request.latest_start + DURATION + CONTEXT
    forecast = asyncio.run(Typical().forecast(LOCATION, now=start, until=end))
    decision = decide(request, forecast, now=READY_AT)
    at, intensity = decision.baseline_at, decision.baseline_intensity_g_per_kwh
    if intensity is None or decision.promised_saving_percent is None or decision.action is not Action.WAIT:
        raise SystemExit(f"no wait to draw: {decision.reason}")
    return Scene(request, forecast, decision, Window(at, at + DURATION, intensity), decision.promised_saving_percent)


def text(x: float, y: float, words: str, classes: str) -> str:
    """Write words at a point [px]."""
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(words, quote=False)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, classes: str) -> str:
    """Draw a straight line [px]."""
    return f'<line class="{classes}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def hours(span: timedelta) -> str:
    """Say a span in hours."""
    return f"{span / HOUR:g}{SPACE}h"


def style() -> str:
    """Write the style sheet, each colour out in full: not every SVG renderer knows CSS variables."""
    light, dark = (
        "".join(
            f".{name} {{ fill: {pair[page]}; }} .{name}-line {{ stroke: {pair[page]}; }}\n"
            for name, pair in COLOURS.items()
        )
        for page in (0, 1)
    )
    return f"<style>{STYLE}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>"


def axes(scene: Scene) -> list[str]:
    """Draw the card, the grid, the hours and the days."""
    shapes = [f'<rect class="card edge-line" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10"/>']
    for level in range(0, ceil(scene.top), GRID):
        shapes.append(line(LEFT, scene.y(level), RIGHT, scene.y(level), "grid ink-line"))
        shapes.append(text(LEFT - 10, scene.y(level) + 4, str(level), "small muted end"))
    for moment in [edge for edge, _ in scene.rows()] + [scene.forecast.end]:
        if moment.hour % 2 == 0:
            shapes.append(line(scene.x(moment), BOTTOM, scene.x(moment), BOTTOM + 5, "grid ink-line"))
            shapes.append(text(scene.x(moment), BOTTOM + 20, f"{moment:%H:%M}", "small muted middle"))
        if moment.hour == 0 or moment == scene.forecast.start:
            shapes.append(text(scene.x(moment), BOTTOM + 36, f"{moment:%A}", "small muted middle"))
    return shapes


def band(scene: Scene, run: Window, name: str, colour: str) -> list[str]:
    """Shade one run, and write what it is, how clean it is and when it runs."""
    start, end, intensity = run.start, run.end, run.intensity_g_per_kwh
    middle, first = (scene.x(start) + scene.x(end)) / 2, scene.y(intensity) + 24
    return [
        scene.under(start, end, "card"),
        scene.under(start, end, f"{colour} soft"),
        f'<polyline class="curve {colour}-line" points="{scene.steps(start, end)}"/>',
        text(middle, first, name, f"strong {colour} middle"),
        text(middle, first + 30, f"{intensity:.0f}", "number ink middle"),
        text(middle, first + 47, "g/kWh", "small ink middle"),
        text(middle, first + 66, f"{start:%H:%M}{DASH}{end:%H:%M}", "small ink middle"),
    ]


def runs(scene: Scene) -> list[str]:
    """Draw the run that would have been and the run that is chosen, and the wait between."""
    window, baseline = scene.decision.window, scene.baseline
    ready, start, low = scene.x(scene.request.ready_at), scene.x(window.start), BOTTOM - 20
    waits = f"waits {hours(window.start - scene.request.ready_at)}, deferred: holds no worker slot"
    return [
        scene.under(scene.forecast.start, scene.forecast.end, "area"),
        f'<polyline class="curve muted-line" points="{scene.steps(scene.forecast.start, scene.forecast.end)}"/>',
        *band(scene, baseline, "at once", "baseline"),
        *band(scene, window, "chosen", "chosen"),
        line(ready, low, start - 9, low, "thin wait-line"),
        f'<circle class="wait" cx="{ready:.1f}" cy="{low}" r="3.5"/>',
        f'<path class="wait" d="M{start - 1:.1f},{low} l-10,-5 v10 z"/>',
        text((scene.x(baseline.end) + start) / 2, low - 9, waits, "strong wait middle"),
    ]


def saving(scene: Scene) -> list[str]:
    """Measure the window against the baseline."""
    window, before = scene.decision.window, scene.baseline.intensity_g_per_kwh
    high, low = scene.y(before), scene.y(window.intensity_g_per_kwh)
    left, right = scene.x(window.start), scene.x(window.end)
    x, middle = left + (right - left) / 4, (high + low) / 2
    # Not before the step line has left the baseline's level, or two lines would lie on each other.
    clear = next(edge for edge, value in scene.rows() if edge >= scene.baseline.end and value < 0.97 * before)
    corners = f"{left:.1f},{high:.1f} {scene.steps(window.start, window.end)} {right:.1f},{high:.1f}"
    return [
        f'<polygon class="chosen faint" points="{corners}"/>',
        line(scene.x(clear) + 6, high, right, high, "dotted baseline-line"),
        line(x, high + 4, x, low - 12, "thin chosen-line"),
        f'<path class="chosen" d="M{x:.1f},{low - 4:.1f} l-5,-10 h10 z"/>',
        text(left - 12, middle + 2, f"{scene.saving_percent:.0f}{SPACE}% cleaner", "number chosen end halo card-line"),
        text(left - 12, middle + 20, "promised saving", "small muted end"),
    ]


def limits(scene: Scene) -> list[str]:
    """Mark when the job is ready, and the latest start: down to the step line, below which the run has its numbers."""
    ready, latest = scene.x(scene.request.ready_at), scene.x(scene.request.latest_start)
    surface = scene.y(next(value for edge, value in reversed(scene.rows()) if edge <= scene.request.latest_start))
    return [
        line(ready, TOP - 4, ready, BOTTOM, "thin ink-line"),
        text(ready + 8, TOP + 7, f"ready {scene.request.ready_at:%H:%M}", "strong ink"),
        line(latest, TOP - 4, latest, surface, "thin ink-line dashed"),
        text(latest + 8, TOP + 7, f"never later than {scene.request.latest_start:%H:%M}", "strong ink"),
        text(latest + 8, TOP + 23, "latest start", "small muted"),
    ]


def frame(scene: Scene) -> list[str]:
    """Write the heading above the plot and the record's own sentence below it."""
    request = scene.request
    kind = "weekend day" if request.ready_at.weekday() >= 5 else "weekday"
    heading = (
        f"A {hours(request.duration)} job, ready at {request.ready_at:%H:%M}, "
        f"may start up to {hours(request.latest_start - request.ready_at)} later"
    )
    shown = f"Carbon intensity of electricity [gCO₂eq/kWh], {PLACE}, typical {request.ready_at:%B} {kind}, hours in UTC"
    return [
        text(24, 36, heading, "title ink"),
        text(24, 58, shown, "muted"),
        text(24, HEIGHT - 18, f'reason: "{scene.decision.reason}"', "mono muted"),
        text(RIGHT, HEIGHT - 18, "Typical profile from NESO data, CC BY 4.0", "small muted end"),
    ]


def picture(scene: Scene) -> str:
    """Put the picture together, with a title and a description for those who do not see it."""
    window, baseline = scene.decision.window, scene.baseline
    described = (
        f"Step line of the {scene.forecast.kind} carbon intensity of zone {scene.forecast.zone}. The baseline run at "
        f"{baseline.start:%H:%M} UTC meets {baseline.intensity_g_per_kwh:.0f} g/kWh; the chosen run at "
        f"{window.start:%H:%M} UTC meets {window.intensity_g_per_kwh:.0f} g/kWh. Each takes "
        f"{hours(scene.request.duration)}. The latest start is {scene.request.latest_start:%H:%M} UTC. "
        f"Signal: {scene.forecast.signal}. Accounting: {scene.forecast.accounting}."
    )
    # The saving first: where a font runs wide, its halo must not cut the step line.
    shapes = [*axes(scene), *saving(scene), *runs(scene), *limits(scene), *frame(scene)]
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title description">',
        '<title id="title">One decision: a job waits for cleaner electricity, never later than promised</title>',
        f'<desc id="description">{escape(described, quote=False)}</desc>',
    ]
    return "\n".join([*head, style(), *shapes, "</svg>\n"])


def main() -> None:
    """Write the picture."""
    scene = decided()
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(scene), encoding="utf-8")
    print(f"docs/{PICTURE.name}: {scene.decision.reason}")  # noqa: T201 - a script speaks to its user


if __name__ == "__main__":
    main()

// A forecast as a chart: its steps, the windows on it, and the moments that bound them.
import { chart, plain } from "./chart.js";
import { colour } from "./theme.js";
import { ZONE, both, clock, local, marks, span, utc } from "./time.js";
import { capital, intensity, number } from "./words.js";

const LINES = { now: "dot", limit: "dash" };

/**
 * Build the chart of a forecast. series: as the API gives it; bands: {kind: chosen or baseline, start, end, label};
 * moments: {kind: now or limit, at}; keys: what stands for what; said: the bands in a sentence.
 */
export function forecastChart({ id, title, series, bands, moments, keys, said, tall = false }) {
  const edges = edgesOf(series);
  const [from, to] = [Math.min(edges[0], ...bands.map((one) => Date.parse(one.start))), Math.max(edges.at(-1), ...bands.map((one) => Date.parse(one.end)))];
  const values = series.intensity_g_per_kwh;
  const steps = values.map((value, index) => ({ start: edges[index], end: edges[index + 1], value }));
  const least = steps.reduce((best, one) => (one.value < best.value ? one : best));
  const most = steps.reduce((best, one) => (one.value > best.value ? one : best));
  const signal = series.signal === "marginal" ? "marginal" : "average";
  const kind = series.kind || "forecast";
  return chart({
    id,
    title,
    tall,
    summary: `${capital(signal)} intensity of ${series.zone}, ${kind}, source ${series.source}: lowest ${intensity(least.value)} at ${both(least.start)}, highest ${intensity(most.value)} at ${both(most.start)}.${said ? ` ${said}` : ""}`,
    keys: [[signal, `${signal} intensity, ${kind}`], ...keys],
    columns: [
      { title: `Start (${ZONE})`, kind: "when", cell: (row) => local(row.start) },
      { title: "Start (UTC)", kind: "when", cell: (row) => utc(row.start) },
      { title: "g CO₂eq per kWh", kind: "number", cell: (row) => number(row.value) },
    ],
    rows: steps,
    draw: (width) => ({
      data: [
        {
          type: "scatter",
          mode: "lines",
          name: signal,
          x: edges.map((edge) => new Date(edge).toISOString()),
          y: [...values, values.at(-1)],
          line: { shape: "hv", width: 2.5, color: colour(signal) },
          customdata: [...steps.map((one) => `${span(one.start, one.end)}<br>${number(one.value)} gCO₂eq/kWh`), null],
          hovertemplate: "%{customdata}<extra></extra>",
        },
      ],
      layout: {
        xaxis: { type: "date", range: [new Date(from).toISOString(), new Date(to).toISOString()], ...ticks(from, to, width), showgrid: false, ticks: "outside" },
        yaxis: { title: "gCO₂eq per kWh", rangemode: "tozero", nticks: 6 },
        shapes: [...bands.map((one) => shaded(one, bands.length > 6)), ...moments.filter((one) => inside(one.at, from, to)).map(line)],
        annotations: labels(bands, width / (to - from)),
        margin: { l: 58, r: 14, t: bands.some((one) => one.label) ? 40 : 12, b: 52 },
      },
    }),
  });
}

function edgesOf(series) {
  const [start, step] = [Date.parse(series.start), series.step_seconds * 1000];
  return Array.from({ length: series.intensity_g_per_kwh.length + 1 }, (_, index) => start + index * step);
}

function inside(at, from, to) {
  const moment = Date.parse(at);
  return moment >= from && moment <= to;
}

/** Give an axis of time its marks. */
export function ticks(from, to, width) {
  const { at, text } = marks(from, to, width);
  return { tickmode: "array", tickvals: at, ticktext: text };
}

function shaded(band, crowded) {
  return {
    type: "rect",
    name: band.kind,
    layer: "below",
    xref: "x",
    x0: new Date(band.start).toISOString(),
    x1: new Date(band.end).toISOString(),
    yref: "paper",
    y0: 0,
    y1: 1,
    fillcolor: colour(`${band.kind}-fill`),
    // Many windows one over the other must leave the line to be seen.
    opacity: crowded ? 0.4 : 1,
    line: { width: crowded ? 0.5 : 1.5, color: colour(band.kind), dash: band.kind === "baseline" ? "dash" : "solid" },
  };
}

function line(moment) {
  const at = new Date(moment.at).toISOString();
  return {
    type: "line",
    name: moment.kind,
    xref: "x",
    x0: at,
    x1: at,
    yref: "paper",
    y0: 0,
    y1: 1,
    line: { width: 2, color: colour(moment.kind === "now" ? "text-muted" : moment.kind), dash: LINES[moment.kind] },
  };
}

function labels(bands, pixels) {
  // Above the drawing; a second row for one that would run into the one before.
  let [before, row] = [-Infinity, 0];
  return bands.filter((one) => one.label).map((band) => {
    const middle = (Date.parse(band.start) + Date.parse(band.end)) / 2;
    row = Math.abs(middle - before) * pixels < 84 ? 1 - row : 0;
    before = middle;
    return {
      x: new Date(middle).toISOString(),
      y: 1,
      yshift: 16 * row,
      xref: "x",
      yref: "paper",
      yanchor: "bottom",
      showarrow: false,
      text: plain(band.label),
      font: { color: colour(band.kind), size: 13, weight: 600 },
    };
  });
}

/** Give the line that stands for this moment. */
export function nowLine() {
  return { kind: "now", at: new Date(clock()).toISOString() };
}

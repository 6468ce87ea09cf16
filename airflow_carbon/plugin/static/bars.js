// Charts of figures over weeks, runs, decisions and delays.
import { chart, plain } from "./chart.js";
import { ticks } from "./forecast.js";
import { colour } from "./theme.js";
import { ZONE, both, lasting, local } from "./time.js";
import { capital, grams, massUnit, number, percent, signalClass, things } from "./words.js";

const DAY = 86_400_000;
const dates = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** Draw the reductions of one signal and accounting by week; a negative one hangs below the line. */
export function weeklyChart(id, weeks) {
  const [{ signal, accounting, reduction_label: name }] = weeks;
  const known = weeks.filter((one) => one.reduction_g !== null);
  const [factor, unit] = massUnit(Math.max(...known.map((one) => Math.abs(one.reduction_g)), 0));
  const latest = known.at(-1);
  const begun = weeks.map((one) => Date.parse(`${one.week}T00:00:00Z`));
  const title = `${capital(name)}${signal ? (name.includes("estimate") ? `, ${signal} signal` : ` (${signal})`) : ""}`;
  return chart({
    id,
    title,
    summary: latest
      ? `${accounting ? `${capital(accounting)}. ` : ""}In the week of ${dates.format(new Date(latest.week))}: ${grams(latest.reduction_g)} by ${things(latest.decisions, "decision")}.`
      : "No week has grams yet: the energy of the work is not known.",
    keys: [],
    columns: [
      { title: "Week of (Monday, UTC)", kind: "when", cell: (row) => row.week },
      { title: capital(name), kind: "number", cell: (row) => grams(row.reduction_g) },
      { title: "Decisions", kind: "number", cell: (row) => number(row.decisions) },
    ],
    rows: weeks,
    draw: (width) => {
      const every = Math.ceil(weeks.length / Math.max(2, Math.floor(width / 64)));
      const marked = begun.filter((_, index) => (weeks.length - 1 - index) % every === 0);
      return {
        data: [
          {
            type: "bar",
            name,
            x: begun.map((one) => new Date(one).toISOString()),
            y: weeks.map((one) => (one.reduction_g === null ? null : one.reduction_g / factor)),
            width: begun.map(() => 5 * DAY),
            marker: { color: colour(signalClass(signal)) },
            customdata: weeks.map((one) => `Week of ${dates.format(new Date(one.week))} (UTC)<br>${grams(one.reduction_g)} by ${things(one.decisions, "decision")}`),
            hovertemplate: "%{customdata}<extra></extra>",
          },
        ],
        layout: {
          xaxis: {
            type: "date",
            range: [new Date(Math.min(begun[0], begun.at(-1) - 7 * 7 * DAY) - 4 * DAY).toISOString(), new Date(begun.at(-1) + 4 * DAY).toISOString()],
            tickmode: "array",
            tickvals: marked.map((one) => new Date(one).toISOString()),
            ticktext: marked.map((one) => dates.format(new Date(one))),
            showgrid: false,
            title: "week of (Monday)",
          },
          yaxis: { title: `${unit} CO₂eq`, zeroline: true, nticks: 6, rangemode: "tozero" },
        },
      };
    },
  });
}

/** Draw the SCI over the runs of one functional unit. */
export function sciChart(id, trend) {
  const unit = trend.functional_unit || "run";
  const runs = trend.runs.filter((one) => one.sci_g_per_unit !== null);
  const [factor, mass] = massUnit(Math.max(...runs.map((one) => one.sci_g_per_unit), 0));
  const whole = trend.total_over_total_g_per_unit;
  const at = runs.map((one) => Date.parse(one.started_at));
  const [first, last] = [Math.min(...at), Math.max(...at)];
  const edge = Math.max((last - first) * 0.04, 1_800_000);
  return chart({
    id,
    title: `Carbon per ${unit}`,
    summary: `${trend.signal ? `${capital(trend.signal)} signal` : "Signal not stated"}${trend.accounting ? `, ${trend.accounting}` : ""}. All runs together: ${grams(whole)} per ${unit}; mean of the runs: ${grams(trend.mean_of_ratios_g_per_unit)}.${trend.left_out ? ` ${things(trend.left_out, "run")} left out, whose carbon is not known wholly.` : ""}`,
    keys: [[signalClass(trend.signal), "each run"], ["whole", "all runs together (total carbon over total units)"]],
    columns: [
      { title: `Run began (${ZONE})`, kind: "when", cell: (row) => local(row.started_at) },
      { title: "Run", cell: (row) => row.run_id },
      { title: "Carbon", kind: "number", cell: (row) => grams(row.total_g) },
      { title: `Units (${unit})`, kind: "number", cell: (row) => number(row.functional_units) },
      { title: `Per ${unit}`, kind: "number", cell: (row) => grams(row.sci_g_per_unit) },
    ],
    rows: trend.runs,
    draw: (width) => ({
      data: [
        {
          type: "scatter",
          mode: "lines+markers",
          x: at.map((one) => new Date(one).toISOString()),
          y: runs.map((one) => one.sci_g_per_unit / factor),
          line: { color: colour(signalClass(trend.signal)), width: 2 },
          marker: { size: 7 },
          customdata: runs.map((one) => `${plain(one.run_id)}<br>${both(one.started_at)}<br>${grams(one.sci_g_per_unit)} per ${plain(unit)}`),
          hovertemplate: "%{customdata}<extra></extra>",
        },
      ],
      layout: {
        hovermode: "closest",
        xaxis: { type: "date", range: [new Date(first - edge).toISOString(), new Date(last + edge).toISOString()], ...ticks(first - edge, last + edge, width), showgrid: false },
        yaxis: { title: `${mass} CO₂eq per ${plain(unit)}`, rangemode: "tozero", nticks: 6 },
        shapes: whole === null ? [] : [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: whole / factor, y1: whole / factor, line: { color: colour("text-muted"), width: 1.5, dash: "dash" } }],
      },
    }),
  });
}

/** Draw what was promised of each decision against what it became, oldest first. */
export function promiseChart(id, decisions, title) {
  const rows = decisions.toReversed();
  const [promised, became] = [rows.map((one) => one.promised_saving_percent), rows.map((one) => one.saving_percent)];
  const worse = rows.filter((one) => one.saving_percent < 0).length;
  const points = (name, y, marker) => ({
    type: "scatter", mode: "markers", name, x: rows.map((_, index) => index + 1), y, marker,
    customdata: rows.map((one) => `${plain(one.task.task_id)}, decided ${both(one.decided_at)}<br>promised ${percent(one.promised_saving_percent)}, became ${percent(one.saving_percent)}`),
    hovertemplate: "%{customdata}<extra></extra>",
  });
  return chart({
    id,
    title,
    summary: `${things(rows.length, "decision")} of which both are known, oldest first${worse ? `; ${worse} did worse than a run at once` : ""}.`,
    keys: [["promised", "promised"], ["became", "what it became"]],
    columns: [
      { title: `Decided (${ZONE})`, kind: "when", cell: (row) => local(row.decided_at) },
      { title: "Task", cell: (row) => row.task.task_id },
      { title: "Promised", kind: "number", cell: (row) => percent(row.promised_saving_percent) },
      { title: "Became", kind: "number", cell: (row) => percent(row.saving_percent) },
    ],
    rows,
    draw: () => ({
      data: [
        {
          type: "scatter", mode: "lines", hoverinfo: "skip",
          x: rows.flatMap((_, index) => [index + 1, index + 1, null]),
          y: rows.flatMap((_, index) => [promised[index], became[index], null]),
          line: { color: colour("line-strong"), width: 1.5 },
        },
        points("promised", promised, { size: 9, symbol: "circle-open", color: colour("text-muted"), line: { width: 2 } }),
        points("became", became, { size: 8, color: colour("chosen") }),
      ],
      layout: {
        hovermode: "closest",
        xaxis: { title: "decisions, oldest first", showgrid: false, zeroline: false, range: [0.4, rows.length + 0.6], tickformat: "d", nticks: Math.min(rows.length + 1, 10) },
        yaxis: { title: "saving, % of the baseline", zeroline: true, nticks: 6, rangemode: "tozero" },
      },
    }),
  });
}

/** Draw what each allowance of delay would have brought. */
export function flexibilityChart(id, rows) {
  const [{ signal }] = rows;
  const sorted = rows.toSorted((one, other) => one.max_delay_seconds - other.max_delay_seconds);
  const best = sorted.reduce((most, one) => (one.saving_percent > most.saving_percent ? one : most));
  const names = sorted.map((one) => lasting(one.max_delay_seconds));
  return chart({
    id,
    title: `What a longer delay would have brought${signal ? ` (${signal} signal)` : ""}`,
    summary: `The most with ${lasting(best.max_delay_seconds)}: ${percent(best.saving_percent)} on the mean of ${things(best.decisions, "decision")}.`,
    keys: [],
    columns: [
      { title: "Delay allowed", cell: (row) => lasting(row.max_delay_seconds) },
      { title: "Mean saving", kind: "number", cell: (row) => percent(row.saving_percent) },
      { title: "Decisions", kind: "number", cell: (row) => number(row.decisions) },
    ],
    rows: sorted,
    draw: () => ({
      data: [
        {
          type: "bar",
          x: names,
          y: sorted.map((one) => one.saving_percent),
          width: names.map(() => 0.6),
          marker: { color: colour(signalClass(signal)) },
          text: sorted.map((one) => percent(one.saving_percent)),
          textposition: "outside",
          cliponaxis: false,
          customdata: sorted.map((one) => `${lasting(one.max_delay_seconds)} allowed<br>${percent(one.saving_percent)} over ${things(one.decisions, "decision")}`),
          hovertemplate: "%{customdata}<extra></extra>",
        },
      ],
      layout: {
        margin: { l: 58, r: 14, t: 24, b: 52 },
        xaxis: { type: "category", title: "delay allowed", showgrid: false },
        yaxis: { title: "mean saving, %", zeroline: true, nticks: 6, rangemode: "tozero" },
      },
    }),
  });
}

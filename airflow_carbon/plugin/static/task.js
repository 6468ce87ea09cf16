// A task instance's tab: what was decided, on which forecast, what changed since, and what was turned down.
import { get } from "./api.js";
import { element, fill, refill } from "./element.js";
import { forecastChart, nowLine } from "./forecast.js";
import { address, airflowLink, arrived, failed, hints, isSilent, old, part, reveal, say } from "./page.js";
import { keepFresh } from "./poll.js";
import { choicesTable } from "./regions.js";
import { releaseButton } from "./release.js";
import { table } from "./table.js";
import { ZONE, countdown, local, moment, span, utc } from "./time.js";
import { basis, capital, grams, intensity, percent, things } from "./words.js";

const [, DAG, RUN, TASK, INDEX] = address();
const MAP_INDEX = /^\d+$/.test(INDEX ?? "") ? Number(INDEX) : -1;

let planned = null;
let waits = true;
let known = null;

const name = `${TASK}${MAP_INDEX >= 0 ? ` [${MAP_INDEX}]` : ""}`;
document.title = `Carbon of ${name}`;
document.getElementById("title").textContent = `Carbon of ${name}`;

const refresh = keepFresh({
  ask: () => get(`api/dags/${encodeURIComponent(DAG)}/runs/${encodeURIComponent(RUN)}/tasks/${encodeURIComponent(TASK)}`, { map_index: MAP_INDEX }),
  show,
  fail: (error) => {
    document.getElementById("loading")?.remove();
    failed("task", error);
  },
  every: () => (waits ? 10 : 60),
});

function show(answer) {
  document.getElementById("loading")?.remove();
  arrived("task", answer);
  if (isSilent(answer) && known) {
    showReason({ ...known, hints: [...answer.hints, old(known)] });
    return;
  }
  if (answer.decision_id) known = answer;
  waits = answer.waiting;
  showReason(answer);
  showForecast(answer);
  showFacts(answer);
  showReplans(answer);
  showRegions(answer);
  showRecord(answer);
  if (planned && answer.planned_start && planned !== answer.planned_start) say(`The plan moved: it starts ${local(answer.planned_start)}.`);
  planned = answer.planned_start;
}

function showReason(answer) {
  const { now, series, record, ...rest } = answer;
  refill(part("reason", "The decision"), rest, () => [
    answer.reason ? element("p", { class: "reason" }, `${capital(answer.reason)}${/[.!?]$/.test(answer.reason) ? "" : "."}`) : null,
    hints(answer.hints),
    answer.waiting ? strip(answer) : null,
    element("p", { class: "small" }, element("a", { href: `dag/${encodeURIComponent(DAG)}` }, `All decisions of ${DAG}`), " · ", airflowLink(answer.task.airflow, "This task in Airflow", "in-airflow")),
  ]);
}

function strip(answer) {
  return element("div", { class: "card strip" },
    element("div", {}, element("div", { class: "label" }, "Starts"), element("div", { class: "figure" }, countdown(answer.planned_start)), answer.planned_start ? moment(answer.planned_start) : null),
    element("div", {}, element("div", { class: "label" }, "At the latest"), moment(answer.latest_start)),
    answer.can_release ? element("div", { class: "act" }, releaseButton(answer.task, refresh, { main: true })) : null);
}

function showFacts(answer) {
  const { now, series, record, ...rest } = answer;
  refill(part("facts", "In numbers"), rest, () => facts(answer));
  reveal("facts", Boolean(answer.decision_id));
}

function facts(answer) {
  const chosen = answer.chosen.map((one) => one.intensity_g_per_kwh).filter((one) => one !== null);
  const all = [
    ["State in Airflow", answer.state],
    ["First ready", answer.ready_at && moment(answer.ready_at)],
    answer.waiting ? null : ["Planned start", answer.planned_start && moment(answer.planned_start)],
    answer.waiting ? null : ["At the latest", answer.latest_start && moment(answer.latest_start)],
    ["Started", answer.started_at && moment(answer.started_at)],
    ["Has to be done by", answer.deadline && moment(answer.deadline)],
    ["Where", [answer.location, answer.zone].filter((one, index, both) => one && both.indexOf(one) === index).join(" · ")],
    ["Intensity chosen", chosen.length === 1 ? intensity(chosen[0]) : null],
    ["Intensity at once (baseline)", answer.baseline && intensity(answer.baseline.intensity_g_per_kwh)],
    ["Saving promised", answer.promised_saving_percent !== null && percent(answer.promised_saving_percent)],
    ["Saving realised", answer.saving_percent !== null && percent(answer.saving_percent)],
    [capital(answer.reduction_label) || "Reduction", answer.reduction_g !== null && `${grams(answer.reduction_g)} CO₂eq`],
    ["What it rests on", answer.signal && [basis(answer), answer.source].filter(Boolean).join(" · ")],
  ];
  return element("dl", { class: "facts" }, all.filter((one) => one && one[1]).map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));
}

function showForecast(answer) {
  const body = part("forecast", "The forecast it was decided on");
  reveal("forecast", Boolean(answer.series) || answer.chosen.length > 0);
  if (!answer.series) {
    refill(body, [answer.chosen, answer.baseline], () => [bandsTable(answer)]);
    return;
  }
  const chosen = answer.chosen.map((one, index) => ({ kind: "chosen", label: index ? "" : "chosen", ...one }));
  const baseline = answer.baseline ? [{ kind: "baseline", label: "baseline", ...answer.baseline }] : [];
  const moments = [answer.waiting ? nowLine() : null, answer.latest_start ? { kind: "limit", at: answer.latest_start } : null].filter(Boolean);
  const figure = forecastChart({
    id: "decision",
    title: `Forecast of ${answer.series.zone}${answer.series.issued_at ? `, issued ${local(answer.series.issued_at)}` : ""}`,
    tall: true,
    series: answer.series,
    bands: [...baseline, ...chosen],
    moments,
    said: [...baseline.map((one) => `Baseline: ${span(one.start, one.end)}.`), ...chosen.map((one, index) => `${chosen.length > 1 ? `Chunk ${index + 1}` : "Chosen"}: ${span(one.start, one.end)}.`)].join(" "),
    keys: [
      baseline.length ? ["baseline", "baseline: the same run, started when first ready"] : null,
      chosen.length ? ["chosen", chosen.length > 1 ? "chosen chunks" : "chosen window"] : null,
      answer.latest_start ? ["limit", "latest start"] : null,
      answer.waiting ? ["now", "now"] : null,
    ].filter(Boolean),
  });
  if (!body.contains(figure)) fill(body, [element("div", { class: "card" }, figure)]);
}

function bandsTable({ baseline, chosen }) {
  const rows = [...(baseline ? [{ what: "Baseline", ...baseline }] : []), ...chosen.map((one, index) => ({ what: chosen.length > 1 ? `Chosen chunk ${index + 1}` : "Chosen", ...one }))];
  return table(
    [
      { title: "Window", cell: (row) => row.what },
      { title: "When", cell: (row) => span(row.start, row.end) },
      { title: "Intensity", kind: "number", cell: (row) => intensity(row.intensity_g_per_kwh) },
    ],
    rows,
    { id: "bands-table", caption: "Baseline and chosen window" },
  );
}

/** Take the moment that some notes begin with into its own column. */
function dated({ at, said }) {
  const [, when, rest] = /^(\d{4}-\d\d-\d\dT\S+?(?:Z|[+-]\d\d:\d\d)): (.+)$/s.exec(said) ?? [];
  return at || !when ? { at, said } : { at: when, said: rest };
}

function showReplans({ replans: told, waiting, decision_id: id }) {
  const replans = told.map(dated);
  reveal("replans", replans.length > 0 || waiting);
  if (!id) return;
  refill(part("replans", "Changes of the plan"), [replans, waiting], () => replans.length
    ? table(
        [
          { title: `When (${ZONE})`, kind: "when", cell: (row) => (row.at ? element("time", { datetime: row.at }, local(row.at), element("small", {}, utc(row.at))) : "–") },
          { title: "What happened", kind: "long", cell: (row) => row.said },
        ],
        replans,
        { id: "replans-table", caption: "Changes of the plan" },
      )
    : element("p", { class: "muted" }, "None: the first plan stands."));
  reveal("replans", replans.length > 0 || waiting);
}

function showRegions({ regions }) {
  const rejected = regions.filter((one) => one.rejected).length;
  refill(part("regions", "Regions it looked at"), regions, () => [
    element("p", { class: "muted small" }, `${things(regions.length, "region")}, ${rejected} turned down.`),
    choicesTable(regions),
  ]);
  reveal("regions", regions.length > 0);
}

function showRecord({ record }) {
  const body = part("record", "The whole record");
  reveal("record", Boolean(record));
  refill(body, record, () => record && element("details", { id: "record-raw" }, element("summary", {}, "As it was recorded (JSON)"), element("pre", { tabindex: "0", role: "region", "aria-label": "The record as JSON" }, JSON.stringify(record, null, 2))));
}

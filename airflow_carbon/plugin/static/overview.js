// The Carbon page: what shifting has brought, who waits, what the grid looks like, and how the sources fare.
import { get } from "./api.js";
import { weeklyChart } from "./bars.js";
import { doneTable } from "./done.js";
import { element, fill, refill } from "./element.js";
import { forecastChart, nowLine } from "./forecast.js";
import { arrived, failed, hints, isSilent, notice, old, part, reveal, say } from "./page.js";
import { keepFresh } from "./poll.js";
import { countCard, reductionCards } from "./reductions.js";
import { regionsTable } from "./regions.js";
import { sourcesTable } from "./sources.js";
import { pager } from "./table.js";
import { local, span } from "./time.js";
import { waitingTable } from "./waiting.js";
import { bySignal, count, taskName, things } from "./words.js";

const PERIODS = [["hour", "Hour"], ["day", "Day"], ["month", "30 days"], ["all_time", "All time"]];
const CHARTS_AT_ONCE = 4;
const STRETCH = 100;

let period = "month";
let overview = null;
let plans = null;
let later = null;
let shownZones = CHARTS_AT_ONCE;
const zones = new Map();

document.title = "Carbon";

const refresh = keepFresh({ ask: () => get("api/overview"), show, fail: (error) => fault("overview", error), every: 15 });

function fault(what, error) {
  document.getElementById("loading")?.remove();
  failed(what, error);
}

function show(answer) {
  const first = overview === null;
  document.getElementById("loading")?.remove();
  arrived("overview", answer);
  const silent = isSilent(answer);
  if (silent && !first && !isSilent(overview)) {
    showHints([...answer.hints, old(overview)]);
    return;
  }
  overview = answer;
  const partial = { code: "some_dags", title: "A part of the whole", text: "These figures hold the DAGs that you may read; the ledger holds others too." };
  showHints(answer.all_dags ? answer.hints : [...answer.hints, partial]);
  showBrought();
  showWaiting();
  if (first) {
    part("forecasts", "Forecasts", "Intensity of each zone from now on, with the windows that waiting tasks have chosen.");
    part("weeks", "Reduction per week", "What is attributed by average intensities and what is avoided by marginal ones are two questions: each has its own chart, and there is no sum of both.");
    follow();
  }
  showForecasts();
  showWeeks();
  for (const id of ["brought", "waiting", "forecasts", "weeks"]) reveal(id, !silent);
  if (!silent) announce();
}

function showHints(said) {
  let place = document.getElementById("hints");
  if (!place) {
    place = element("div", { id: "hints" });
    document.getElementById("parts").before(place);
  }
  refill(place, said, () => hints(said));
}

function showBrought() {
  const body = part("brought", "What shifting has brought");
  const { periods, done } = overview;
  refill(body, [periods.map(({ since, until, ...rest }) => rest), done, period], () => {
    const one = periods.find((each) => each.period === period) ?? periods.at(-1);
    if (!one) return [];
    return [
      element("div", { class: "switch", role: "group", "aria-label": "Period" }, PERIODS.filter(([name]) => periods.some((each) => each.period === name)).map(([name, words]) =>
        element("button", { type: "button", id: `period-${name}`, "aria-pressed": String(name === one.period), onclick: () => { period = name; showBrought(); } }, words))),
      element("div", { class: "grid" },
        countCard("Tasks shifted in time or place", count(one.tasks_shifted), one.owners_shifted ? `of ${things(one.owners_shifted, "owner")}` : ""),
        reductionCards(one.reductions, `brought-${one.period}`),
        one.reductions.length ? null : countCard("Reduction", "none yet", "It appears when work that was shifted has run and its energy and intensities are known.")),
      done.length ? element("details", { id: "done" }, element("summary", {}, "What was done with the recommendations"), doneTable(done)) : null,
    ];
  });
}

function showWaiting() {
  const body = part("waiting", "Waiting tasks");
  const { rows, total, offset } = later ?? { rows: overview.waiting, total: overview.waiting_total, offset: 0 };
  refill(body, [rows, total, offset], () => total
    ? [
        total === rows.length ? null : element("p", { class: "muted small" }, `${things(total, "task")} wait; those that start next come first.`),
        waitingTable(rows, again),
        pager({ total, offset, limit: STRETCH }, turn, "waiting"),
      ]
    : notice("Nothing waits", "A CarbonAwareSensor waits here while a cleaner hour lies before its latest start."));
}

async function turn(offset) {
  try {
    const answer = await get("api/waiting", { offset, limit: STRETCH });
    later = offset ? { rows: answer.waiting, total: answer.total, offset } : null;
    arrived("waiting", answer);
    showWaiting();
  } catch (error) {
    failed("waiting", error);
  }
}

function again() {
  later = null;
  refresh();
}

function announce() {
  const now = new Map(overview.waiting.map((one) => [one.decision_id, one.planned_start]));
  if (plans) {
    const moved = overview.waiting.filter((one) => one.planned_start && plans.get(one.decision_id) && plans.get(one.decision_id) !== one.planned_start);
    const [one] = moved;
    if (moved.length > 1) say(`${moved.length} waiting tasks were planned anew.`);
    else if (one) say(`${taskName(one.task)} was planned anew and starts ${local(one.planned_start)}.`);
    else if (now.size !== plans.size) say(`${things(overview.waiting_total, "task")} waiting.`);
  }
  plans = now;
}

function showForecasts() {
  const body = part("forecasts");
  const { locations } = overview;
  if (!locations.length) {
    refill(body, [], () => notice("No zone to show yet", "Forecasts appear for the locations that tasks have waited for or run in."));
    return;
  }
  const shown = locations.slice(0, shownZones);
  refill(body, [locations, shownZones], () => [
    element("div", { class: "grid wide" }, shown.map(zoneCard)),
    locations.length > shown.length
      ? element("button", { type: "button", id: "more-zones", onclick: () => { shownZones += CHARTS_AT_ONCE; showForecasts(); } }, `Show ${Math.min(CHARTS_AT_ONCE, locations.length - shown.length)} more of ${locations.length}`)
      : null,
  ]);
}

function zoneCard(location) {
  let card = zones.get(location);
  if (!card) {
    const made = element("div", { class: "card" }, element("h3", {}, location), element("p", { class: "muted small" }, "Loading."));
    card = made;
    zones.set(location, made);
    keepFresh({ ask: () => get("api/forecast", { location, hours: 48 }), show: (answer) => showZone(made, location, answer), fail: (error) => fault(`forecast ${location}`, error), every: 60 });
  }
  return card;
}

function showZone(card, location, { now, series, windows, hints: said }) {
  arrived(`forecast ${location}`, { now });
  if (!series) {
    refill(card, said, () => [element("h3", {}, location), said.length ? hints(said) : notice("No forecast", "The sources gave none for this location.")]);
    return;
  }
  const bands = windows.map((one) => ({ kind: "chosen", ...one.window }));
  const figure = forecastChart({
    id: `forecast-${location}`,
    title: location,
    series,
    bands,
    moments: [nowLine()],
    said: bands.length ? `${things(bands.length, "chosen window")}, the next ${span(bands[0].start, bands[0].end)}.` : "No task waits here.",
    keys: bands.length ? [["chosen", `chosen ${bands.length === 1 ? "window" : "windows"}`]] : [],
  });
  if (figure.parentNode !== card) fill(card, [figure]);
}

function showWeeks() {
  const body = part("weeks");
  const groups = bySignal(overview.weeks);
  if (!groups.length) {
    refill(body, [], () => notice("No reduction yet", "The first week appears when shifted work has run and `airflow carbon ledger finalise` knows the intensities of its hours."));
    return;
  }
  const names = groups.map(([one]) => `weeks-${one.signal || "unstated"}-${one.accounting}`);
  refill(body, names, () => element("div", { class: "grid wide" }, names.map((name) => element("div", { class: "card", id: `${name}-card` }))));
  groups.forEach((group, index) => {
    const card = document.getElementById(`${names[index]}-card`);
    const figure = weeklyChart(names[index], group);
    if (figure.parentNode !== card) fill(card, [figure]);
  });
}

function follow() {
  part("regions", "Regions now", "The default list or your own, by intensity times PUE, the overhead of the data centers.");
  part("sources", "Sources", "As this web server sees them: whether they answer, and what is left of their quota.");
  keepFresh({ ask: () => get("api/regions"), show: showRegions, fail: (error) => fault("regions", error), every: 120 });
  keepFresh({ ask: () => get("api/sources"), show: showSources, fail: (error) => fault("sources", error), every: 60 });
}

function showRegions(answer) {
  arrived("regions", answer);
  const { regions, hints: said } = answer;
  refill(part("regions"), [regions, said], () => [hints(said), regions.length ? regionsTable(regions) : said.length ? null : notice("No region is known", "Add a connection of a source, or name regions in [carbon] regions.")]);
}

function showSources(answer) {
  arrived("sources", answer);
  const { sources, hints: said } = answer;
  refill(part("sources"), [sources, said], () => [hints(said), sources.length ? sourcesTable(sources) : said.length ? null : notice("No source is connected", "Add a connection, for example of type carbon_energy_charts, which needs no key; `airflow carbon doctor` says what is missing.")]);
}

// A DAG's tab: its decisions, what they brought, what was promised, and what more flexibility would bring.
import { get } from "./api.js";
import { flexibilityChart, promiseChart, sciChart } from "./bars.js";
import { action, doneTable } from "./done.js";
import { element, fill, refill } from "./element.js";
import { address, arrived, failed, hints, isSilent, notice, old, part, reveal } from "./page.js";
import { keepFresh } from "./poll.js";
import { countCard, reductionCards } from "./reductions.js";
import { pager, table } from "./table.js";
import { moment } from "./time.js";
import { waitingTable } from "./waiting.js";
import { basis, bySignal, capital, count, grams, percent, signalClass, things } from "./words.js";

const [, DAG] = address();
const LIMIT = 50;
const SORTS = { wait: "wait", region: "region", schedule: "chunks", fleet: "fleet" };

let offset = 0;
let known = null;

document.title = `Carbon of ${DAG}`;
document.getElementById("title").textContent = `Carbon of ${DAG}`;

const refresh = keepFresh({
  ask: () => get(`api/dags/${encodeURIComponent(DAG)}`, { offset, limit: LIMIT }),
  show,
  fail: (error) => {
    document.getElementById("loading")?.remove();
    failed("dag", error);
  },
  every: 20,
});

function show(answer) {
  document.getElementById("loading")?.remove();
  arrived("dag", answer);
  const silent = isSilent(answer);
  if (silent && known) {
    showBrought({ ...known, hints: [...answer.hints, old(known)] });
    return;
  }
  if (!silent) known = answer;
  showBrought(answer);
  showWaiting(answer);
  showCharts("promised", "Promised against realised", "A promise is what the forecast said when the decision was made; what it became rests on the intensities of the hours in which the work ran.", promises(answer));
  showCharts("sci", "Carbon per unit of work", "Software Carbon Intensity over the runs: (energy × intensity + embodied) per functional unit.", answer.trends.map((trend, index) => ({ id: `sci-${index}`, draw: (id) => sciChart(id, trend) })));
  showCharts("flexibility", "What more flexibility would bring", answer.flexibility_method, bySignal(answer.flexibility).map((rows, index) => ({ id: `flexibility-${index}`, draw: (id) => flexibilityChart(id, rows) })));
  showDecisions(answer);
  reveal("decisions", !silent);
}

function showBrought({ reductions, done, total, promises, hints: said }) {
  refill(part("brought", "What shifting has brought"), [reductions, done, total, promises, said], () => [
    hints(said),
    total === 0 ? null : element("div", { class: "grid" },
      countCard("Decisions", count(total), done.length ? done.filter((one) => one.action === "taken").length ? `${count(done.filter((one) => one.action === "taken").reduce((sum, one) => sum + one.decisions, 0))} of them followed` : "none followed yet" : ""),
      reductionCards(reductions, "brought"),
      promises.map(keptCard)),
    done.length ? element("details", { id: "done" }, element("summary", {}, "What was done with the recommendations"), doneTable(done)) : null,
  ]);
}

function keptCard(one) {
  return element("div", { class: `card ${signalClass(one.signal)}` },
    element("div", { class: "label" }, "Saving realised, on the mean"),
    element("div", { class: "figure" }, percent(one.saving_percent)),
    element("p", { class: "small muted" }, `${percent(one.promised_saving_percent)} was promised, over ${things(one.decisions, "decision")}`),
    element("p", { class: "small muted" }, basis(one)));
}

function showWaiting({ waiting }) {
  refill(part("waiting", "Waiting now"), waiting, () => waitingTable(waiting, refresh));
  reveal("waiting", waiting.length > 0);
}

function promises({ decisions }) {
  const known = decisions.filter((one) => one.promised_saving_percent !== null && one.saving_percent !== null);
  return bySignal(known).map((rows, index) => ({
    id: `promise-${index}`,
    draw: (id) => promiseChart(id, rows, `${rows[0].signal ? `${capital(rows[0].signal)} signal` : "Signal not stated"}${rows[0].accounting ? `, ${rows[0].accounting}` : ""}`),
  }));
}

function showCharts(id, title, about, charts) {
  const body = part(id, title, about);
  reveal(id, charts.length > 0);
  refill(body, charts.map((one) => one.id), () => element("div", { class: "grid wide" }, charts.map((one) => element("div", { class: "card", id: `${one.id}-card` }))));
  for (const one of charts) {
    const card = document.getElementById(`${one.id}-card`);
    const figure = one.draw(one.id);
    if (figure.parentNode !== card) fill(card, [figure]);
  }
}

function showDecisions({ decisions, total, limit, offset: at }) {
  refill(part("decisions", "Decisions"), [decisions, total, at], () => total
    ? [
        table(
          [
            { title: "Task", cell: (row) => element("span", { class: "pair" }, element("a", { href: row.task.page }, `${row.task.task_id}${row.task.map_index >= 0 ? ` [${row.task.map_index}]` : ""}`), element("small", {}, row.task.run_id)) },
            { title: "Decided", kind: "when", cell: (row) => moment(row.decided_at) },
            { title: "Start", kind: "when", cell: (row) => moment(row.start) },
            { title: "What", kind: "long", cell: (row) => element("span", { class: "pair" }, `${capital(SORTS[row.sort] ?? row.sort)}, ${action(row.action)}`, element("small", {}, [row.location || row.zone, row.why].filter(Boolean).join(" · "))) },
            { title: "Promised", kind: "number", cell: (row) => percent(row.promised_saving_percent) },
            { title: "Became", kind: "number", cell: (row) => percent(row.saving_percent) },
            { title: "Reduction", kind: "number", cell: (row) => element("span", { class: "pair" }, grams(row.reduction_g), row.reduction_g === null ? null : element("small", {}, `${row.signal || "signal not stated"}${row.measured ? "" : ", estimate"}`)) },
          ],
          decisions,
          { id: "decisions-table", caption: `Decisions of ${DAG}, newest first` },
        ),
        pager({ total, offset: at, limit }, (to) => { offset = to; refresh(); }, "decisions"),
      ]
    : notice("No decision yet", "Put a CarbonAwareSensor before a task that may run later; its decisions appear here after the next run."));
}

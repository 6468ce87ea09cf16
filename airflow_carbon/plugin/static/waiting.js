// The tasks that wait: when each starts, by when at the latest, and why.
import { element } from "./element.js";
import { releaseButton } from "./release.js";
import { table } from "./table.js";
import { countdown, lasting, moment } from "./time.js";
import { intensity, percent, taskName, things } from "./words.js";

/** Build the table of waiting tasks; again() is called when one was released. */
export function waitingTable(rows, again, { id = "waiting-table" } = {}) {
  const columns = [
    { title: "Task", cell: task },
    { title: "Starts", kind: "when", cell: starts },
    { title: "At the latest", kind: "when", cell: (row) => moment(row.latest_start) },
    { title: "Promised saving", kind: "number", cell: promised },
    { title: "Why", kind: "long", cell: why },
  ];
  if (rows.some((row) => row.can_release)) {
    columns.push({ title: "Action", kind: "short", cell: (row) => (row.can_release ? releaseButton(row.task, again) : "–") });
  }
  return table(columns, rows, { id, caption: "Tasks that wait, the next to start first", low: rows.length > 8 });
}

function task(row) {
  const place = [row.location || row.zone, row.duration_seconds ? `runs ${lasting(row.duration_seconds)}` : ""].filter(Boolean).join(" · ");
  return element("span", { class: "pair" }, element("a", { href: row.task.page }, taskName(row.task)), element("small", {}, place));
}

function starts(row) {
  if (!row.planned_start) return element("span", { class: "pair" }, countdown(null), element("small", {}, "no plan stands yet"));
  return [countdown(row.planned_start), moment(row.planned_start)];
}

function promised(row) {
  if (row.promised_saving_percent === null) return "–";
  return element("span", { class: "pair" }, percent(row.promised_saving_percent), element("small", {}, row.signal));
}

function why(row) {
  const change = row.intensity_g_per_kwh !== null && row.baseline_intensity_g_per_kwh !== null
    ? `${intensity(row.intensity_g_per_kwh)} instead of ${intensity(row.baseline_intensity_g_per_kwh)}`
    : "";
  const more = [change, row.replans ? `re-planned ${things(row.replans, "time")}` : ""].filter(Boolean).join(" · ");
  return element("span", { class: "pair" }, row.reason, more ? element("small", {}, more) : null);
}

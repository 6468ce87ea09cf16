// How each source of intensities fares, and what is left of its quota.
import { element } from "./element.js";
import { bar, table } from "./table.js";
import { local, moment } from "./time.js";
import { count } from "./words.js";

const STATES = {
  ok: ["good", "answers"],
  failing: ["bad", "fails"],
  closed: ["warn", "asked for quiet"],
  misconfigured: ["bad", "misconfigured"],
  unasked: ["", "not asked yet"],
};

/** Build the table of sources. */
export function sourcesTable(sources) {
  return table(
    [
      { title: "Source", cell: (row) => element("span", { class: "pair" }, row.title, row.conn_id ? element("small", {}, `connection ${row.conn_id}`) : null) },
      { title: "State", kind: "long", cell: state },
      { title: "Last answer", kind: "when", cell: (row) => moment(row.last_answer_at) },
      { title: "Requests this hour", cell: quota },
      { title: "Zones kept", kind: "long", cell: zones },
    ],
    sources,
    { id: "sources-table", caption: "Sources of intensities" },
  );
}

function state(row) {
  const [kind, words] = STATES[row.state] ?? ["", row.state];
  const said = row.said || row.failures.map((one) => `${one.said} (${local(one.asked_at)})`).join("; ");
  return [element("span", { class: `badge ${kind}` }, words), said ? element("p", { class: "small" }, said) : null];
}

function quota(row) {
  if (!row.quota) return "no limit known";
  const { used, per_hour: limit, closed_until: closed } = row.quota;
  const share = limit > 0 ? used / limit : 0;
  return [
    element("span", { class: "number" }, `${count(used)} of ${count(limit)}`),
    bar(share, share >= 0.9 ? "full" : ""),
    closed ? element("p", { class: "small" }, `Quiet until ${local(closed)}`) : null,
  ];
}

function zones(row) {
  if (!row.zones.length) return "–";
  const [shown, more] = [row.zones.slice(0, 8), row.zones.length - 8];
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

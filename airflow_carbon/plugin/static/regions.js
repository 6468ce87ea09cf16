// Regions in order of their intensity, and those that are out, with the reason.
import { element } from "./element.js";
import { bar, table } from "./table.js";
import { intensity, number, signalClass } from "./words.js";

/** Build the table of the regions now. */
export function regionsTable(regions) {
  const ordered = [...regions].sort((one, other) => (one.rank ?? Infinity) - (other.rank ?? Infinity));
  const most = Math.max(...ordered.map((one) => (one.rank === null ? 0 : (one.effective_g_per_kwh ?? 0))), 1);
  return table(
    [
      { title: "Region", cell: (row) => element("span", { class: "pair" }, row.region, element("small", {}, [row.country, row.zone].filter(Boolean).join(" · "))) },
      { title: "Rank", kind: "number", cell: (row) => row.rank ?? "–" },
      {
        title: "Grid × PUE",
        kind: "short",
        cell: (row) => (row.rank === null ? "–" : [element("span", { class: "number" }, intensity(row.effective_g_per_kwh)), bar(row.effective_g_per_kwh / most, signalClass(row.signal))]),
      },
      { title: "Grid", kind: "number", cell: (row) => intensity(row.intensity_g_per_kwh) },
      { title: "PUE", kind: "number", cell: (row) => `${number(row.pue)}${row.pue_assumed ? " (assumed)" : ""}` },
      { title: "What it rests on", kind: "long", cell: (row) => (row.rejected ? row.rejected : [row.signal, row.kind, row.source].filter(Boolean).join(" · ")) },
    ],
    ordered,
    { id: "regions-table", caption: "Regions now, cleanest first", low: true, mark: (row) => (row.rank === null ? "out" : null) },
  );
}

/** Build the table of the regions that one decision looked at. */
export function choicesTable(regions) {
  return table(
    [
      { title: "Region", cell: (row) => element("span", { class: "pair" }, row.region, element("small", {}, row.zone)) },
      { title: "Rank", kind: "number", cell: (row) => row.rank ?? "–" },
      { title: "Grid × PUE", kind: "number", cell: (row) => intensity(row.effective_g_per_kwh) },
      { title: "Grid", kind: "number", cell: (row) => intensity(row.intensity_g_per_kwh) },
      { title: "Outcome", kind: "long", cell: (row) => row.rejected || (row.rank === 1 ? element("span", { class: "badge good" }, "chosen") : "possible, not as clean") },
    ],
    regions,
    { id: "choices-table", caption: "Regions that the decision looked at", low: true, mark: (row) => (row.rejected ? "out" : null) },
  );
}

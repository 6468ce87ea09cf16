// What was done with the recommendations.
import { table } from "./table.js";
import { capital, count } from "./words.js";

const SORTS = { wait: "wait until", region: "choice of a region", schedule: "run in chunks", fleet: "placing of a fleet" };
const ACTIONS = { taken: "followed", overridden: "overridden by a person", "timed out": "ran at its latest start", shadow: "only recorded (shadow mode)", open: "still open" };

/** Build the table of decisions by sort and by outcome. */
export function doneTable(done) {
  return table(
    [
      { title: "Recommendation", cell: (row) => capital(SORTS[row.sort] ?? row.sort) },
      { title: "What was done", cell: (row) => action(row.action) },
      { title: "Decisions", kind: "number", cell: (row) => count(row.decisions) },
    ],
    done,
    { id: "done-table", caption: "What was done with the recommendations" },
  );
}

/** Say what was done with a recommendation. */
export function action(word) {
  return ACTIONS[word || "open"] ?? word;
}

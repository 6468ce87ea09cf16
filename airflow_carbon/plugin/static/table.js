// Tables with a caption, heads that say what they head, and a frame that scrolls by keyboard.
import { element } from "./element.js";

/**
 * Build a table. columns: {title, cell(row), kind} where kind is a class: number, when, short, long; the first column
 * heads its row. options: id, caption (read, not seen, unless `shown`), low (scrolls when long), mark(row) for a class.
 */
export function table(columns, rows, { id, caption, shown = false, low = false, mark = () => null }) {
  return element(
    "div",
    { class: low ? "scroll low" : "scroll", id, tabindex: "0", role: "region", "aria-label": `${caption} (table)` },
    element(
      "table",
      {},
      element("caption", { class: shown ? null : "unseen" }, caption),
      element("thead", {}, element("tr", {}, columns.map((one) => element("th", { scope: "col", class: one.kind }, one.title)))),
      element("tbody", {}, rows.map((row) => element("tr", { class: mark(row) }, columns.map((one, index) => cell(one, row, index))))),
    ),
  );
}

function cell(column, row, index) {
  const held = column.cell(row);
  return index ? element("td", { class: column.kind }, held) : element("th", { scope: "row", class: column.kind }, held);
}

/** Draw a share of something as a bar, for the eye alone: the number stands beside it. */
export function bar(share, kind = "") {
  const filled = element("span");
  filled.style.width = `${Math.max(0, Math.min(100, 100 * share))}%`;
  return element("span", { class: `bar ${kind}`, "aria-hidden": "true" }, filled);
}

/** Leaf through a long list. turn(offset) is called with where to go. */
export function pager({ total, offset, limit }, turn, noun) {
  if (total <= limit && offset === 0) return null;
  const last = Math.min(total, offset + limit);
  return element(
    "nav",
    { class: "pages", "aria-label": `pages of ${noun}` },
    element("span", { class: "muted small" }, `${offset + 1} to ${last} of ${total.toLocaleString("en-US")}`),
    element("button", { type: "button", id: `${noun}-newer`, disabled: offset === 0, onclick: () => turn(Math.max(0, offset - limit)) }, "Newer"),
    element("button", { type: "button", id: `${noun}-older`, disabled: last >= total, onclick: () => turn(offset + limit) }, "Older"),
  );
}

// What every page has: its frame of sections, its notices, and the line that says how fresh it is.
import { element, fill, refill } from "./element.js";
import { ZONE, local, setClock } from "./time.js";

const notices = () => document.getElementById("notices");
const troubles = new Map();
let updated = null;

/** Give the body of a section of the page; it is made in the place where it is first asked for. */
export function part(id, title, about = "") {
  let body = document.getElementById(`${id}-body`);
  if (body) return body;
  body = element("div", { class: "body", id: `${id}-body` });
  const head = element("div", { class: "head" }, element("h2", { id: `${id}-title` }, title), about ? element("p", { class: "muted small" }, about) : null);
  document.getElementById("parts").append(element("section", { class: "part", id, "aria-labelledby": `${id}-title` }, head, body));
  return body;
}

/** Show or hide a section, for example one that has nothing to tell here. */
export function reveal(id, visible) {
  const section = document.getElementById(id);
  if (section) section.hidden = !visible;
}

/** Say that an answer has come: its clock is the server's, and a trouble with it is over. */
export function arrived(what, answer) {
  setClock(answer.now);
  updated = answer.now;
  troubles.delete(what);
  tell();
}

/** Say that an answer did not come, where everybody sees and hears it. */
export function failed(what, error) {
  troubles.set(what, { title: error.title ?? "The page has a fault", text: error.title ? error.message : String(error), ended: Boolean(error.ended) });
  tell();
}

function tell() {
  // One that says all: who is logged out need not hear it of each part.
  const all = [...troubles.values()];
  const ended = all.find((one) => one.ended && one.title.includes("session"));
  const said = ended ? [ended] : [...new Map(all.map((one) => [one.title + one.text, one])).values()];
  refill(notices(), said, () => said.map((one) => notice(one.title, one.text, "bad", one.ended ? reload() : null)));
  const fresh = document.getElementById("fresh");
  if (!fresh) return;
  const text = updated ? `Updated ${local(updated)}` : "Not loaded yet";
  fill(fresh, `${text}. Times are in ${ZONE}${ZONE === "UTC" ? "" : " and in UTC"}.`);
}

function reload() {
  return element("button", { type: "button", id: "reload", onclick: () => leave("") }, "Reload Airflow");
}

/** Build a notice. kind: note, warn or bad. */
export function notice(title, text, kind = "note", more = null) {
  return element("div", { class: `notice ${kind}` }, element("p", { class: "about" }, title), element("p", {}, coded(text)), more);
}

/** Set what stands between backticks as code. */
function coded(text) {
  return text.split("`").map((one, index) => (index % 2 ? element("code", {}, one) : one));
}

const GRAVE = new Set(["ledger_down", "source_down", "source_failing", "no_answer"]);

/** Show what is missing, and what to do next. */
export function hints(list, wanted = () => true) {
  return list.filter(wanted).map((one) => notice(one.title, one.text, GRAVE.has(one.code) ? "warn" : "note"));
}

/** Tell whether the ledger said nothing, so that what is empty is not known to be empty. */
export function isSilent({ hints: said }) {
  return said.some((one) => one.code === "ledger_down" || one.code === "ledger_off");
}

/** Say that what the page shows is what was known before. */
export function old(shown) {
  return { code: "old", title: "What stands below may be old", text: `It was true at ${local(shown.now)}; the page goes on by itself.` };
}

/** Link to a page of Airflow itself, which this page's frame may not open by itself. */
export function airflowLink(path, text, id) {
  const url = new URL(`../${path}`, mount());
  return element("a", { href: url, id, onclick: (event) => { event.preventDefault(); leave(url); } }, text);
}

function mount() {
  return new URL(document.baseURI);
}

/** Go to a page of Airflow, in the window around this frame; an empty address loads it anew. */
function leave(url) {
  const outside = window.parent;
  // The sandbox keeps this document from navigating the one around it; a link of that document's own may.
  const link = outside.document.createElement("a");
  link.href = url || outside.location.href.split("#")[0];
  link.click();
}

/** Say something to who listens and does not see, once. */
export function say(text) {
  const voice = document.getElementById("voice");
  if (voice && voice.textContent !== text) voice.textContent = text;
}

/** Split the address of this page, below the mount, into its decoded words. */
export function address() {
  const below = window.location.pathname.slice(mount().pathname.length);
  return below.split("/").filter(Boolean).map(decodeURIComponent);
}

// Follow Airflow's own theme: the class of the page around this one, else what it stored, else the system's.

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = [];

function around() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // A page of another origin around this one keeps its document to itself.
  }
}

function stored() {
  try {
    return window.localStorage.getItem("theme");
  } catch {
    return null;
  }
}

/** Say which theme Airflow shows now: "light" or "dark". */
export function theme() {
  const classes = around()?.classList;
  if (classes?.contains("dark")) return "dark";
  if (classes?.contains("light")) return "light";
  const kept = stored();
  if (kept === "dark" || kept === "light") return kept;
  return DARK.matches ? "dark" : "light";
}

function apply() {
  const now = theme();
  if (document.documentElement.dataset.theme === now) return;
  document.documentElement.dataset.theme = now;
  for (const listener of listeners) listener(now);
}

/** Call a function whenever the theme has changed. */
export function onTheme(listener) {
  listeners.push(listener);
}

/** Give a colour of the theme that is shown, by its name in theme.css. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

apply();
DARK.addEventListener("change", apply);
window.addEventListener("storage", apply);
const outside = around();
if (outside) new MutationObserver(apply).observe(outside, { attributes: true, attributeFilter: ["class"] });

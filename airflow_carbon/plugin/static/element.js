// Make elements. A text from the server only ever becomes a text node.

const shown = new WeakMap();

/**
 * Make an element with attributes, listeners (`onclick: fn`) and children; null and false are left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  fill(made, children);
  return made;
}

/** Put children into an element in place of what it holds. */
export function fill(parent, children) {
  const nodes = [children].flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
  parent.replaceChildren(...nodes.map((one) => (one instanceof Node ? one : document.createTextNode(String(one)))));
  return parent;
}

/**
 * Put new children into an element, and keep what the reader had: the focus, open details, how far tables were
 * scrolled. Nothing is touched where the data is what it was.
 */
export function refill(parent, data, build) {
  const said = JSON.stringify(data);
  if (shown.get(parent) === said) return false;
  const focused = parent.contains(document.activeElement) ? document.activeElement.id : "";
  const open = new Set([...parent.querySelectorAll("details[open][id]")].map((one) => one.id));
  const scrolled = [...parent.querySelectorAll(".scroll[id]")].map((one) => [one.id, one.scrollTop, one.scrollLeft]);
  shown.set(parent, said);
  fill(parent, build());
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, top, left] of scrolled) document.getElementById(id)?.scrollTo(left, top);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  return true;
}

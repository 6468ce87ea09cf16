// Charts: a figure with a caption, the drawing, the keys to its colours, and the same data as a table.
import { element, fill, refill } from "./element.js";
import { table } from "./table.js";
import { colour, onTheme } from "./theme.js";

const drawn = new Map();
const QUIET = { displayModeBar: false, responsive: false, scrollZoom: false, doubleClick: false, showTips: false };
let library = null;

/** Load the chart library, once, and after the page has something to read. */
function plotly() {
  library ??= new Promise((done, fail) => {
    const src = new URL(said("plotly"), document.baseURI);
    const plainly = styled();
    const script = element("script", {
      src,
      onload: () => {
        plainly();
        done(window.Plotly);
      },
      onerror: () => {
        plainly();
        fail(new Error("The chart library could not be loaded; each chart's data stands below it as a table."));
      },
    });
    document.head.append(script);
  });
  return library;
}

function said(name) {
  return document.querySelector(`meta[name="${name}"]`).content;
}

/** Let the library make its style element for maps while it loads: the policy asks for the page's own mark on it. */
function styled() {
  const make = document.createElement;
  document.createElement = function (name, ...rest) {
    const made = make.call(document, name, ...rest);
    if (name === "style") made.nonce = said("nonce");
    return made;
  };
  return () => {
    delete document.createElement;
  };
}

/** Keep a text from the server a text: the library reads a little HTML in what it writes. */
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/**
 * Draw a chart into a parent, or draw it anew there. spec: {id, title, summary, tall, keys: [[class, words]], columns and
 * rows of its table, draw(width) -> {data, layout}, which is asked again when the theme or the width changes}.
 */
export function chart(spec) {
  let shown = drawn.get(spec.id);
  if (!shown || !shown.figure.isConnected) {
    const place = element("div", { class: "drawn", id: spec.id });
    const figure = element("figure", { class: spec.tall ? "chart tall" : "chart" });
    const [caption, below] = [element("figcaption"), element("div")];
    figure.append(caption, place, below);
    shown = { place, figure, caption, below };
    drawn.set(spec.id, shown);
    let before = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width && Math.abs(contentRect.width - before) > 1) {
        before = contentRect.width;
        paint(shown);
      }
    }).observe(place);
  }
  shown.spec = spec;
  fill(shown.caption, [element("h3", { id: `${spec.id}-title` }, spec.title), element("p", { class: "muted small" }, spec.summary)]);
  shown.place.setAttribute("role", "img");
  shown.place.setAttribute("aria-label", `Chart: ${spec.title}. ${spec.summary}`);
  const columns = spec.columns.map((one) => one.title);
  refill(shown.below, [spec.keys, columns, spec.rows], () => [
    element("ul", { class: "keys" }, spec.keys.map(([kind, words]) => element("li", {}, element("span", { class: `key ${kind}`, "aria-hidden": "true" }), words))),
    element("details", { id: `${spec.id}-data` }, element("summary", {}, "Data as a table"), table(spec.columns, spec.rows, { id: `${spec.id}-table`, caption: `${spec.title}: data`, low: true })),
  ]);
  paint(shown);
  return shown.figure;
}

async function paint({ place, spec, below }) {
  if (!place.isConnected || !place.clientWidth) return;
  let painter;
  try {
    painter = await plotly();
  } catch (error) {
    fill(place, element("p", { class: "muted" }, error.message));
    below.querySelector("details").open = true;
    return;
  }
  if (!place.isConnected || drawn.get(spec.id)?.spec !== spec) return;
  const { data, layout } = spec.draw(place.clientWidth);
  await painter.react(place, data, { ...frame(), ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis) }, QUIET);
  place.dataset.painted = String(Number(place.dataset.painted ?? 0) + 1);
}

function frame() {
  return {
    autosize: true,
    margin: { l: 58, r: 14, t: 12, b: 52 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("text-muted") },
    showlegend: false,
    hovermode: "x",
    dragmode: false,
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line-strong"), font: { color: colour("text"), size: 13 }, align: "left" },
    shapes: [],
    annotations: [],
  };
}

function axis(own) {
  const { title, ...rest } = own;
  return {
    fixedrange: true,
    gridcolor: colour("grid"),
    linecolor: colour("line-strong"),
    tickcolor: colour("line-strong"),
    zerolinecolor: colour("line-strong"),
    automargin: true,
    ...(title ? { title: { text: title, standoff: 8, font: { size: 12 } } } : {}),
    ...rest,
  };
}

onTheme(() => {
  for (const one of drawn.values()) paint(one);
});

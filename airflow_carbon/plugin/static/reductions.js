// What was reduced, a card for each signal and accounting: they are never added up.
import { element } from "./element.js";
import { basis, capital, count, grams, number, signalClass, things } from "./words.js";

/** Build the cards of some reductions; place names them for the reader who opens their details. */
export function reductionCards(reductions, place) {
  return reductions.map((one, index) => reductionCard(one, `${place}-${index}`));
}

function reductionCard(one, id) {
  const known = one.measured === one.decisions ? "all measured" : `${count(one.measured)} measured`;
  const without = one.without_grams ? `; ${things(one.without_grams, "decision")} without an energy, so without grams` : "";
  return element(
    "div",
    { class: `card ${signalClass(one.signal)}` },
    element("div", { class: "label" }, capital(one.reduction_label)),
    element("div", { class: "figure" }, one.reduction_g === null ? "no grams yet" : `${grams(one.reduction_g)} CO₂eq`),
    element("p", { class: "small muted" }, basis(one)),
    element("p", { class: "small muted" }, `${things(one.decisions, "decision")}, ${known}${without}`),
    one.equivalents.length ? comparisons(one.equivalents, id) : null,
  );
}

function comparisons(all, id) {
  const [first] = all;
  return [
    element("p", { class: "small" }, `As much as ${words(first)}.`),
    element(
      "details",
      { id: `${id}-equivalents` },
      element("summary", {}, "Factors and sources"),
      element("div", { class: "small muted" }, all.map((one) => element("p", {}, `${capital(words(one))}: ${number(one.grams_per_unit)} g per ${one.unit}, ${one.meaning}. ${one.source} (${one.year}).`))),
    ),
  ];
}

function words(one) {
  return `${number(one.amount)} ${one.unit} ${one.name}`;
}

/** Build a card with a count. */
export function countCard(label, figure, about = "") {
  return element("div", { class: "card" }, element("div", { class: "label" }, label), element("div", { class: "figure" }, figure), about ? element("p", { class: "small muted" }, about) : null);
}

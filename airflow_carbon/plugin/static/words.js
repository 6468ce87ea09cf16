// Numbers in words: rounded as far as they are known, with their unit, and a true minus.

const plain = (digits) => new Intl.NumberFormat("en-US", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
const significant = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const whole = plain(0);

function signed(text) {
  return text.replace("-", "−");
}

/** Write a number with three digits that count. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return signed(Math.abs(value) >= 1000 ? whole.format(value) : significant.format(value));
}

/** Write how many there are. */
export function count(value) {
  return whole.format(value);
}

/** Write a mass of CO2 in the unit in which it is easy to read. */
export function grams(value) {
  if (value === null || value === undefined) return "–";
  const [factor, unit] = massUnit(Math.abs(value));
  return `${number(value / factor)} ${unit}`;
}

/** Choose a unit for masses of this size: its grams and its name. */
export function massUnit(largest) {
  if (largest >= 1e6) return [1e6, "t"];
  if (largest >= 1e3) return [1e3, "kg"];
  if (largest >= 1 || largest === 0) return [1, "g"];
  return [1e-3, "mg"];
}

/** Write a share [%]. */
export function percent(value) {
  if (value === null || value === undefined) return "–";
  return `${signed(plain(Math.abs(value) < 10 ? 1 : 0).format(value))} %`;
}

/** Write an intensity. */
export function intensity(value) {
  return value === null || value === undefined ? "–" : `${whole.format(value)} g/kWh`;
}

/** Write a count with its noun: "1 task", "2 tasks". */
export function things(amount, noun) {
  return `${whole.format(amount)} ${noun}${amount === 1 ? "" : "s"}`;
}

/** Begin a sentence. */
export function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

/** Say what a figure rests on: "average, consumption, life-cycle". */
export function basis(one) {
  return [one.signal ? `${one.signal} signal` : "signal not stated", one.accounting].filter(Boolean).join(" · ");
}

/** Name a task, a mapped one with its index. */
export function taskName(task) {
  return `${task.dag_id} · ${task.task_id}${task.map_index >= 0 ? ` [${task.map_index}]` : ""}`;
}

/** Take what belongs together apart from the rest: signal and accounting are never mixed. */
export function bySignal(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.signal, row.accounting]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

/** Give the class that colours what rests on a signal. */
export function signalClass(signal) {
  return signal === "marginal" ? "marginal" : "average";
}

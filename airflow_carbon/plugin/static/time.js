// Moments, in the viewer's zone and in UTC, and countdowns to them.
import { element } from "./element.js";

/** The zone that the viewer chose in Airflow, else the browser's. */
export const ZONE = chosenZone() ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
const IN_UTC = ["UTC", "Etc/UTC"].includes(ZONE);

const SHORT = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const formats = {
  local: new Intl.DateTimeFormat("en-GB", { ...SHORT, weekday: "short", timeZone: ZONE }),
  utc: new Intl.DateTimeFormat("en-GB", { ...SHORT, timeZone: "UTC" }),
  day: new Intl.DateTimeFormat("en-GB", { weekday: "short", month: "short", day: "numeric", timeZone: ZONE }),
  clock: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: ZONE }),
  clockUtc: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" }),
  hour: new Intl.DateTimeFormat("en-GB", { hour: "numeric", hourCycle: "h23", timeZone: ZONE }),
};

let skew = 0;

function chosenZone() {
  try {
    const zone = (window.localStorage.getItem("timezone") ?? "").replaceAll('"', "");
    if (!zone) return null;
    Intl.DateTimeFormat("en-GB", { timeZone: zone });
    return zone;
  } catch {
    return null;
  }
}

/** Take the server's clock for the true one. */
export function setClock(now) {
  skew = Date.parse(now) - Date.now();
}

/** Say what time it is on the server [ms]. */
export function clock() {
  return Date.now() + skew;
}

/** Write a moment in the viewer's zone: "Sun 22 Nov, 14:05". */
export function local(moment) {
  return formats.local.format(new Date(moment));
}

/** Write a moment in UTC: "22 Nov, 13:05 UTC". */
export function utc(moment) {
  return `${formats.utc.format(new Date(moment))} UTC`;
}

/** Write a moment both ways in one line. */
export function both(moment) {
  return IN_UTC ? `${formats.local.format(new Date(moment))} UTC` : `${local(moment)} (${utc(moment)})`;
}

/** Write a stretch of time both ways: "Sun 22 Nov, 14:05 to 15:05 (13:05 to 14:05 UTC)". */
export function span(start, end) {
  const [from, to] = [new Date(start), new Date(end)];
  const sameDay = formats.day.format(from) === formats.day.format(to);
  const there = `${local(from)} to ${sameDay ? formats.clock.format(to) : local(to)}`;
  return IN_UTC ? `${there} UTC` : `${there} (${formats.clockUtc.format(from)} to ${formats.clockUtc.format(to)} UTC)`;
}

/** Show a moment in the viewer's zone with UTC below it; a dash where there is none. */
export function moment(when) {
  if (!when) return "–";
  return element("time", { datetime: when }, IN_UTC ? utc(when) : local(when), IN_UTC ? null : element("small", {}, utc(when)));
}

/** Write a length of time: "3 h 20 min". */
export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return rest ? `${hours} h ${rest} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

function remaining(when) {
  const seconds = Math.round((Date.parse(when) - clock()) / 1000);
  if (seconds <= 0) return "starting";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours >= 48) return `in ${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return `in ${hours} h ${String(minutes).padStart(2, "0")} min`;
  if (minutes >= 10) return `in ${minutes} min`;
  return minutes ? `in ${minutes} min ${String(seconds % 60).padStart(2, "0")} s` : `in ${seconds} s`;
}

/** Show a countdown that counts by itself; it stays silent to a screen reader until it is asked. */
export function countdown(when) {
  if (!when) return element("span", { class: "countdown" }, "not planned yet");
  return element("span", { class: "countdown", role: "timer", "aria-live": "off", "data-until": when }, remaining(when));
}

setInterval(() => {
  for (const shown of document.querySelectorAll("[data-until]")) {
    const said = remaining(shown.dataset.until);
    if (shown.textContent !== said) shown.textContent = said;
  }
}, 1000);

/** Choose marks for an axis over a stretch of time: at whole hours of the viewer, named in that zone and in UTC. */
export function marks(start, end, width) {
  const hour = 3_600_000;
  const steps = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2880, 8760];
  const room = Math.max(2, Math.floor(width / 78));
  const step = steps.find((one) => (end - start) / hour / one <= room) ?? steps.at(-1);
  const [at, text] = [[], []];
  if (end - start < 2 * hour) {
    const minutes = [1, 2, 5, 10, 15, 30].find((one) => (end - start) / 60_000 / one <= room) ?? 60;
    for (let when = Math.ceil(start / 60_000 / minutes) * 60_000 * minutes; when <= end; when += 60_000 * minutes) add(when);
    return { at, text };
  }
  // Zones differ from UTC by quarters of an hour, and one hour of a spring night is missing: every quarter is tried.
  let [last, index] = ["", 0];
  for (let when = Math.ceil(start / 900_000) * 900_000; when <= end; when += 900_000) {
    const date = new Date(when);
    if (!formats.clock.format(date).endsWith(":00")) continue;
    const [of, day] = [Number(formats.hour.format(date)) % 24, formats.day.format(date)];
    if (step < 24 ? of % step === 0 : of === 0 && day !== last && index++ % (step / 24) === 0) add(when);
    if (of === 0) last = day;
  }
  return { at, text };

  function add(when) {
    const date = new Date(when);
    const first = step >= 24 || formats.clock.format(date) === "00:00" ? formats.day.format(date) : formats.clock.format(date);
    at.push(date.toISOString());
    text.push(IN_UTC || step >= 24 ? first : `${first}<br><span>${formats.clockUtc.format(date)} UTC</span>`);
  }
}

/* format.js: figures and times in words. Pure, but for the difference of the two clocks. */

import { attr, el, text } from "./dom.js";

const figures = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const TEXT_SHOWN = 300; // letters of a foreign text in a message or a label

/** The service's clock minus ours: a phone whose clock is wrong shall not show a wrong lag. */
let skew = 0;

export function clockOf(status) {
  const now = Date.parse(status.started) + status.uptime_seconds * 1000;
  if (Number.isFinite(now)) skew = now - Date.now();
}

export const count = (n) => (n == null ? "?" : figures.format(n));
export const compact = (n) => short.format(n);

/** "8 s", "4 min", "2 h 5 min", "3 d": two units where the larger one alone would be too rough. */
export function duration(seconds) {
  if (seconds == null) return "?";
  if (seconds < 9.95 && seconds > 0) return `${seconds.toFixed(1).replace(".0", "")} s`;
  const left = Math.round(seconds);
  const i = Math.max(0, UNITS.findIndex(([, size]) => left >= size));
  if (left <= 0) return "0 s";
  const [unit, size] = UNITS[i];
  const whole = Math.floor(left / size);
  const next = UNITS[i + 1];
  const rest = next && whole < 3 && unit !== "min" ? Math.floor((left % size) / next[1]) : 0;
  return `${whole} ${unit}` + (rest ? ` ${rest} ${next[0]}` : "");
}

const until = (time) => (Date.parse(time) - Date.now() - skew) / 1000;
export const isPast = (time) => until(time) < 0;

export function relative(time) {
  const seconds = until(time);
  if (!Number.isFinite(seconds)) return String(time);
  if (Math.abs(seconds) < 1.5) return "now";
  const words = duration(Math.round(Math.abs(seconds)));
  return seconds < 0 ? `${words} ago` : `in ${words}`;
}

export function absolute(time) {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? String(time) : moment.format(at);
}

/** A <time> that says when relative to now, and exactly in its title. */
export function showTime(node, time) {
  attr(node, "datetime", time);
  attr(node, "title", time && absolute(time));
  text(node, time ? relative(time) : "");
}

/** "1 reject", "2 rejects" */
export const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** A foreign text within a plain one (a label, a message): cut, and isolated from what is around
 * it, so that right-to-left letters in it stay where they are. */
export function quoted(value) {
  const letters = [...String(value)];
  const cut = letters.length > TEXT_SHOWN ? letters.slice(0, TEXT_SHOWN).join("") + "…" : value;
  return `\u2068${cut}\u2069`;
}

export const timeNode = (time) => {
  const node = el("time");
  showTime(node, time);
  return node;
};

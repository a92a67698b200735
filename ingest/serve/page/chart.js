/* chart.js: records per run as bars, oldest first: what was read, in front of it what changed.
 *
 * Heights are logarithmic: a full run reads a million, those between it and the next read ten, and
 * both are to be seen. A failed run is a column of full height, one with rejects has a tick below
 * the line: shapes, not only colours. Screen readers get a sentence; the figures are in the table
 * of runs. */

import { attr, el, svg } from "./dom.js";
import { absolute, compact, count, plural } from "./format.js";
import { changed, outcome } from "./model.js";

const STEP = 10, BAR = 7, HIGH = 100, TICK = 8; // of the drawing, which is stretched

const height = (n, most) => (n > 0 ? HIGH * Math.log1p(n) / Math.log1p(most) : 0);
const bar = (x, h, name) =>
  svg("rect", { x, y: HIGH - h, width: BAR, height: h, class: name });

function column(run, x, most) {
  const { tone, word } = outcome(run.outcome);
  const done = tone === "good" || run.outcome === "rejects";
  return svg("g", {},
    svg("title", {}, `${absolute(run.started)}: ${word}, ${count(run.read)} read, `
      + `${count(changed(run))} changed, ${count(run.rejected)} rejected`),
    svg("rect", { x: x - (STEP - BAR) / 2, width: STEP, height: HIGH + TICK,
      class: done ? "ground" : "failed" }),
    bar(x, Math.max(height(run.read, most), 2), "read"),
    bar(x, height(changed(run), most), "changed"),
    tone === "good" ? null
      : svg("rect", { x, y: HIGH + 2, width: BAR, height: TICK - 2, class: `tick ${tone}` }));
}

function sentence(runs, most) {
  if (!runs.length) return "No runs yet";
  const last = runs[0];
  const failed = runs.filter((run) => outcome(run.outcome).tone === "bad").length;
  return `Records of the last ${plural(runs.length, "run")}: at most ${count(most)} read, `
    + `the latest ${count(last.read)} read and ${count(changed(last))} changed`
    + (failed ? `; ${failed} failed` : "");
}

/** @runs: newest first, ended ones      @slots: how many there is room for */
export function drawChart(drawing, runs, slots) {
  const shown = runs.slice(0, slots);
  const most = Math.max(1, ...shown.map((run) => Math.max(run.read, changed(run))));
  const stamp = shown.map((run) => run.id).join();
  if (drawing.stamp === stamp) return most; // runs that ended do not change
  drawing.stamp = stamp;
  attr(drawing, "aria-label", sentence(shown, most));
  const line = svg("rect", { y: HIGH, width: slots * STEP, height: 0.8, class: "line" });
  drawing.replaceChildren(line, ...shown.map((run, i) =>
    column(run, (slots - 1 - i) * STEP + (STEP - BAR) / 2, most)));
  return most;
}

export const newChart = (slots) => svg("svg", { class: "bars", role: "img",
  viewBox: `0 0 ${slots * STEP} ${HIGH + TICK}`, preserveAspectRatio: "none" });

/** Lines at 1, 10, 100 ... records, as many as there is room for */
export function drawScale(box, most) {
  const steps = [];
  for (let n = 1; n <= most; n *= 10) steps.push(n);
  const every = Math.ceil(steps.length / 4);
  box.replaceChildren(...steps.filter((n, i) => (steps.length - 1 - i) % every === 0).map((n) => {
    const mark = el("span", {}, compact(n));
    mark.style.bottom = `${height(n, most) * HIGH / (HIGH + TICK) + 100 * TICK / (HIGH + TICK)}%`;
    return mark;
  }));
}

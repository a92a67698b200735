/* progress.js: a run under way: a bar, and what it does in words. */

import { attr, el, text } from "./dom.js";
import { count, duration, quoted } from "./format.js";

const PHASES = { starting: "Starting", rebuilding: "Looking at CouchDB", reading: "Reading",
  finishing: "Finishing", ended: "Ended" };

export class Progress {
  constructor(name) {
    this.bar = el("progress", { "aria-label": `Progress of ${quoted(name)}` });
    this.words = el("span", { class: "quiet" });
    this.node = el("div", { class: "progress" }, this.bar, this.words);
  }

  update(run) {
    const known = run.phase === "reading" && run.expected > 0;
    attr(this.bar, "max", known ? run.expected : 1);
    attr(this.bar, "value", known ? Math.min(run.read, run.expected) : null);
    text(this.words, (PHASES[run.phase] ?? run.phase)
      + (run.read ? ` ${count(run.read)}` : "")
      + (known ? ` of ${count(run.expected)}` : ""));
  }
}

/** The same with everything that is known, as one sentence. */
export function runWords(run) {
  const rate = run.seconds > 1 && run.phase === "reading" ? run.read / run.seconds : 0;
  const left = rate && run.expected > run.read ? (run.expected - run.read) / rate : 0;
  return [
    `${PHASES[run.phase] ?? run.phase} for ${duration(run.seconds)}`,
    run.full ? "all records" : null,
    `${count(run.read)} read`, `${count(run.written)} written`,
    run.rejected ? `${count(run.rejected)} rejected` : null,
    run.in_flight ? `${count(run.in_flight)} on their way` : null,
    rate >= 1 ? `${count(Math.round(rate))} a second` : null,
    left >= 1 ? `about ${duration(left)} left` : null,
  ].filter(Boolean).join(" · ");
}

/* model.js: what the figures of a mapper mean: is it in trouble, in which order are they shown,
 * which belong to a filter. Pure. */

/* outcome -> words, tone, how much it worries (0: most) */
const OUTCOMES = {
  ok: ["OK", "good", 3],
  rejects: ["Rejects", "warn", 1],
  unavailable: ["Unavailable", "bad", 0],
  locked: ["Locked", "warn", 2],
  refused: ["Refused", "bad", 0],
  interrupted: ["Interrupted", "warn", 2],
  failed: ["Failed", "bad", 0],
};

export function outcome(name) {
  const [word, tone, rank] = OUTCOMES[name] ?? [name ?? "Never run", "quiet", 2];
  return { word, tone, rank };
}

/** 0 failing, 1 rejects, 2 to be looked at some time, 3 well */
export function rank(m) {
  if (m.failures > 0 || m.state === "corrupt") return 0;
  const last = outcome(m.last_run?.outcome).rank;
  if (last && m.rejects) return 1;
  // What was rejected and is settled since is no trouble any more.
  if (last === 1 && m.rejects === 0) return 3;
  return m.activity === "paused" ? Math.min(last, 2) : last;
}

/** The sign in front of a mapper: its tone is never the only thing that says so. */
export function standing(m) {
  if (m.activity === "running") return { icon: "running", tone: "busy" };
  if (m.activity === "paused") return { icon: "paused", tone: "quiet" };
  if (m.activity === "waiting" && rank(m) > 1) return { icon: "waiting", tone: "busy" };
  return [{ icon: "bad", tone: "bad" }, { icon: "warn", tone: "warn" },
    { icon: "never", tone: "quiet" }, { icon: "good", tone: "good" }][rank(m)];
}

export const CHIPS = [
  ["all", "All", () => true],
  ["failing", "Failing", (m) => rank(m) === 0],
  ["rejects", "Rejects", (m) => m.rejects > 0],
  ["running", "Running", (m) => m.activity === "running" || m.activity === "waiting"],
  ["paused", "Paused", (m) => m.activity === "paused"],
];

const byName = (a, b) => a.mapper.localeCompare(b.mapper, "en", { numeric: true });
const never = (time, otherwise) => (time ? Date.parse(time) : otherwise);
const ORDERS = {
  trouble: (a, b) => rank(a) - rank(b),
  name: () => 0,
  lag: (a, b) => (b.lag_seconds ?? Infinity) - (a.lag_seconds ?? Infinity) || 0,
  last: (a, b) => never(b.last_run?.started, 0) - never(a.last_run?.started, 0),
  next: (a, b) => never(a.next_run, Infinity) - never(b.next_run, Infinity) || 0,
};

export const sorted = (mappers, order) =>
  [...mappers].sort((a, b) => ORDERS[order](a, b) || byName(a, b));

/** Every word must be in the name or the source. */
export function matching(mappers, chip, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const [, , test] = CHIPS.find(([name]) => name === chip);
  return mappers.filter((m) => {
    const about = `${m.mapper} ${m.source}`.toLowerCase();
    return test(m) && wanted.every((word) => about.includes(word));
  });
}

export const changed = (run) => run.created + run.updated + run.moved + run.deleted;
export const keyText = (key) =>
  (key == null ? "(no key)" : Array.isArray(key) ? key.map(String).join(",")
    : typeof key === "object" ? JSON.stringify(key) : String(key));

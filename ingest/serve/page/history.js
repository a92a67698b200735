/* history.js: the last runs of each mapper, for its chart. Asked for once, then only what ended
 * since; by mapper where the list of all was too short for those that run seldom. */

import { get, part } from "./api.js";

export const SLOTS = 30; // runs that are kept and drawn
const ALL = 500; // the most that the service gives at once
const FEW = 50;

const runs = new Map(); // mapper -> ended runs, newest first
const seen = new Map(); // mapper -> start of the last run that is in `runs`
let complete = true;
let loaded = false;

export const runsOf = (mapper) => runs.get(mapper) ?? [];
/** false: CouchDB did not answer; only what the service remembers is here. */
export const isComplete = () => complete;

function merge(list) {
  const touched = new Set();
  for (const run of list) {
    if (!run.outcome) continue; // under way
    const known = runs.get(run.mapper) ?? [];
    if (!known.some((other) => other.id === run.id)) known.push(run);
    runs.set(run.mapper, known);
    touched.add(run.mapper);
  }
  for (const mapper of touched)
    runs.set(mapper, runs.get(mapper)
      .sort((a, b) => Date.parse(b.started) - Date.parse(a.started)).slice(0, SLOTS));
}

async function load(query) {
  const reply = await get(`runs?${query}`);
  merge(reply.runs);
  complete = reply.complete;
  return reply.runs.length;
}

export const loadOne = (mapper) => load(`mapper=${part(mapper)}&limit=${SLOTS}`);

async function begin(mappers, drawn) {
  const full = await load(`limit=${ALL}`) >= ALL;
  loaded = true;
  drawn();
  for (const m of mappers) {
    const known = runsOf(m.mapper).length;
    if (m.last_run && (known < 2 || full && known < SLOTS)) {
      await loadOne(m.mapper);
      drawn();
    }
  }
}

/** Follows the mappers as /api/v1/status has them; `drawn` is called where there is more to draw.
 * What cannot be read now is asked for again next time: nobody needs a message about a chart. */
export async function follow(mappers, drawn) {
  const ended = mappers.filter((m) => seen.get(m.mapper) !== m.last_run?.started);
  for (const m of ended) seen.set(m.mapper, m.last_run?.started);
  try {
    if (!loaded) return await begin(mappers, drawn);
    if (ended.length) {
      await load(`limit=${ended.length > FEW / 2 ? ALL : FEW}`);
      drawn();
    }
  } catch {
    for (const m of ended) seen.delete(m.mapper);
  }
}

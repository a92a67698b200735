/* live.js: runs under way, as they go: server-sent events. Where a stream breaks, or there are more
 * runs than streams, the polled status has the same figures, some seconds older.
 *
 * A browser opens six connections to one server: two streams leave enough for questions and for
 * other windows. Tabs that nobody sees have none. */

import { events } from "./api.js";

const STREAMS = 2;
const streams = new Map(); // id of a run -> EventSource
const latest = new Map(); // id of a run -> what its stream said
const broken = new Set(); // ids whose stream broke: not tried again

/** The run as its stream has it, where that is newer than `run`. */
export function newest(run) {
  const told = run && latest.get(run.id);
  return told && told.seconds >= run.seconds ? told : run;
}

function close(id) {
  streams.get(id)?.close();
  streams.delete(id);
}

function listen(id, onChange) {
  const stream = events(id);
  const take = (event) => {
    try {
      latest.set(id, JSON.parse(event.data));
    } catch {
      return;
    }
    onChange(latest.get(id));
  };
  streams.set(id, stream);
  stream.addEventListener("progress", take);
  stream.addEventListener("end", (event) => {
    close(id);
    take(event);
  });
  stream.onerror = () => {
    close(id);
    broken.add(id);
  };
}

/** @ids: the runs under way, those that matter most first */
export function follow(ids, onChange) {
  const wanted = document.hidden ? [] : ids.filter((id) => !broken.has(id)).slice(0, STREAMS);
  for (const id of [...streams.keys()]) if (!wanted.includes(id)) close(id);
  for (const id of [...latest.keys()]) if (!ids.includes(id)) latest.delete(id);
  for (const id of [...broken]) if (!ids.includes(id)) broken.delete(id);
  for (const id of wanted) if (!streams.has(id)) listen(id, onChange);
}

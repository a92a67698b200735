/* actions.js: what an operator can do to the service. Asks for the token when it is needed, says
 * how it went, and has the page look again. */

import { part, post } from "./api.js";
import { askToken } from "./dialogs.js";
import { plural, quoted } from "./format.js";
import { complain, say } from "./notices.js";
import * as token from "./token.js";

/** Posts; where the token is missing or wrong asks for it and tries again.
 * Resolves to the reply, or null: the operator gave up, or was told what went wrong. */
async function act(what, path, body) {
  for (;;) {
    try {
      return await post(path, body);
    } catch (e) {
      if (e.status !== 401) {
        complain(`${what}: ${e.message}`);
        return null;
      }
      const refused = Boolean(token.current());
      token.keep("");
      if (!await askToken(refused ? "The service refused the token. Enter it again."
        : "The service wants its token for anything that changes something.")) return null;
    }
  }
}

function look() {
  document.dispatchEvent(new Event("look"));
}

export async function run(mapper, options = {}) {
  const reply = await act(`Run of ${quoted(mapper)}`, `mappers/${part(mapper)}/run`,
    { full: false, allow_deletes: false, ...options });
  look();
  return reply;
}

export async function pause(mapper, paused) {
  const reply = await act(`${paused ? "Pausing" : "Resuming"} ${quoted(mapper)}`,
    `mappers/${part(mapper)}/${paused ? "pause" : "resume"}`);
  if (reply) say(`${quoted(mapper)} is ${paused ? "paused: it keeps no schedule" : "resumed"}`);
  look();
}

function retried(reply) {
  if (reply.written) return "is in CouchDB now";
  if (reply.unchanged) return "was in CouchDB already";
  if (reply.gone) return "is not in the source any more";
  return reply.rejected ? "was rejected again" : "needed nothing";
}

/** Resolves to whether the reject has gone. */
export async function retryReject(id, name) {
  const reply = await act(`Trying ${quoted(name)} again`, `rejects/${part(id)}/retry`);
  if (reply) say(`${quoted(name)} ${retried(reply)}`);
  look();
  return reply;
}

export async function dropReject(id, name) {
  const reply = await act(`Dropping ${quoted(name)}`, `rejects/${part(id)}/drop`);
  if (reply) say(`${quoted(name)} is dropped`);
  look();
  return reply;
}

export async function reload() {
  const reply = await act("Reload", "reload");
  if (reply) say(`The configuration was read again: ${plural(reply.mappers, "mapper")}`);
  look();
}

/* api.js: requests to the service, and its errors in words. */

import * as token from "./token.js";

const READ_MS = 15000;
const ACT_MS = 120000; // a reject may have to wait for a run of its mapper

/** What went wrong, for people. status 0: there was no answer at all. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function failure(reply) {
  const { error } = await reply.json().catch(() => ({}));
  const again = Number(reply.headers.get("Retry-After"));
  const what = error?.message || `The service answered ${reply.status} ${reply.statusText}`.trim();
  return new ApiError(reply.status, error?.code || "",
    what + (again > 0 ? ` (try again in ${again} s)` : ""));
}

async function ask(path, options, limit) {
  let reply;
  try {
    reply = await fetch(`api/v1/${path}`,
      { ...options, cache: "no-store", signal: AbortSignal.timeout(limit) });
    if (reply.ok) return await reply.json();
  } catch (e) {
    if (e.name === "TimeoutError")
      throw new ApiError(0, "", `The service did not answer within ${limit / 1000} seconds`);
    if (reply) throw new ApiError(0, "", "The service's answer broke off");
    throw new ApiError(0, "", "The service does not answer");
  }
  throw await failure(reply);
}

export const get = (path) => ask(path, {}, READ_MS);

/** Changes something; needs the token. */
export function post(path, body) {
  const headers = {};
  if (token.current()) headers.Authorization = `Bearer ${token.current()}`;
  if (body) headers["Content-Type"] = "application/json";
  return ask(path, { method: "POST", headers, body: body && JSON.stringify(body) }, ACT_MS);
}

export const part = encodeURIComponent;
export const events = (run) => new EventSource(`api/v1/runs/${part(run)}/events`);

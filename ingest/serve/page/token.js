/* token.js: the bearer token of this tab. It is nowhere but in sessionStorage: closing the tab
 * forgets it, and no other tab has it. */

const KEY = "erp2couch-token";
let inMemory = ""; // where the browser keeps nothing

export function current() {
  try {
    return sessionStorage.getItem(KEY) || inMemory;
  } catch {
    return inMemory;
  }
}

export function keep(value) {
  inMemory = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    /* then in memory alone */
  }
  document.dispatchEvent(new Event("token"));
}

/** A header can carry visible ASCII only; fetch() would throw. */
export const usable = (value) => /^[\x21-\x7e]+$/.test(value);

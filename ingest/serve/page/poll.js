/* poll.js: asks again and again: soon while something runs, slowly while nothing does, ever more
 * slowly while there is no answer, and not at all in a tab that nobody sees. */

const BUSY_MS = 2000, IDLE_MS = 5000;
const AGAIN_MS = [1000, 2000, 4000, 8000];

/** @round: resolves to "busy", "idle" or "lost"      Returns: a function that asks now. */
export function poll(round) {
  let timer = 0, asking = false, once_more = false, lost = 0;

  async function turn() {
    clearTimeout(timer);
    if (asking) {
      once_more = true;
      return;
    }
    asking = true;
    let how;
    do {
      once_more = false;
      how = await round();
    } while (once_more);
    asking = false;
    lost = how === "lost" ? lost + 1 : 0;
    const wait = lost ? AGAIN_MS[Math.min(lost, AGAIN_MS.length) - 1]
      : how === "busy" ? BUSY_MS : IDLE_MS;
    if (!document.hidden) timer = setTimeout(turn, wait);
  }

  document.addEventListener("visibilitychange", turn);
  addEventListener("online", turn);
  turn();
  return turn;
}

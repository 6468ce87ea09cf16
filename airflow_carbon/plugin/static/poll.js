// Ask again and again, never twice at once, seldom when it fails, and not at all while nobody looks.

const LONGEST_MS = 300_000;

/**
 * Keep a part of the page fresh.
 * ask: gives a promise of the data; show: takes it; fail: takes what went wrong; every: seconds between two questions.
 * Gives a function that asks at once.
 */
export function keepFresh({ ask, show, fail, every }) {
  let [timer, asking, faults, due, ended] = [0, false, 0, 0, false];

  async function look() {
    clearTimeout(timer);
    if (asking) return;
    asking = true;
    try {
      const data = await ask();
      [faults, ended] = [0, false];
      show(data);
    } catch (error) {
      faults += 1;
      ended = Boolean(error.ended);
      fail(error);
    } finally {
      asking = false;
      const seconds = typeof every === "function" ? every() : every;
      const pause = Math.min(LONGEST_MS, seconds * 1000 * 2 ** Math.min(faults, 6));
      due = Date.now() + pause;
      // A session that has ended does not come back by asking.
      if (!document.hidden && !ended) timer = setTimeout(look, pause);
    }
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) return;
    if (ended || Date.now() >= due) look();
    else timer = setTimeout(look, due - Date.now());
  });
  look();
  return look;
}

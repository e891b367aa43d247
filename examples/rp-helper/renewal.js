/* Asks the OP once, silently: a page of the RP in a hidden iframe goes to the OP with prompt=none and comes back with what came of it. */
import { hiddenFrame } from "./hidden-frame.js";

const OUTCOMES = ["same-user", "other-user", "refused", "no-answer"];

/* Resolves to what renewal-answer.js posts, "no-answer" after the time; never rejects. */
export function renewInFrame(url, timeoutMs, clock, signal) {
  return new Promise((resolve) => {
    const frame = hiddenFrame("session-renewal-iframe", url);
    const timer = clock.setTimeout(() => finish({ renewal: "no-answer" }), timeoutMs);
    window.addEventListener("message", receive);
    signal.addEventListener("abort", () => finish({ renewal: "no-answer" }));

    function receive({ origin, source, data }) {
      if (origin === window.location.origin && source === frame.contentWindow && OUTCOMES.includes(data?.renewal)) finish(data);
    }

    function finish(answer) {
      clock.clearTimeout(timer);
      window.removeEventListener("message", receive);
      frame.remove();
      resolve(answer);
    }
  });
}

// Polls that follow fast, but never faster than this machine: each waits for the answer to the one before, which has long come where
// two seconds are two seconds. For code that polls at once and then sets its interval.
"use strict";
(() => {
  const setTrueInterval = window.setInterval.bind(window);
  let answered = false;
  window.addEventListener("message", () => (answered = true));
  window.setInterval = (tick, everyMs) => {
    if (everyMs >= 1000) return setTrueInterval(tick, everyMs);
    answered = false;
    return setTrueInterval(() => {
      if (!answered) return;
      answered = false;
      tick();
    }, everyMs);
  };
})();

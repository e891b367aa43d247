// Shows what session_monitor.js reports, in words for people.
"use strict";
(() => {
  const words = {
    unchanged: "Watched: nothing has changed.",
    checking: "Something changed at the OpenID Provider, looking …",
    no_answer: "The OpenID Provider does not answer at the moment.",
    signed_out: "Signing you out here …",
    "stopped:cannot_check": "No longer watched: this browser does not let the OpenID Provider look at its session.",
    "stopped:keeps_changing": "No longer watched: the answer keeps changing although you are still signed in.",
  };
  document.addEventListener("session-monitor", (event) => {
    const line = document.getElementById("session-status");
    line.dataset.state = event.detail;
    if (line.textContent !== words[event.detail]) {
      line.textContent = words[event.detail];
    }
  });
})();

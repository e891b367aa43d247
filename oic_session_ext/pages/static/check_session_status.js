/* Has the OP iframe ask the OP where it cannot see the cookie. Only in the page where the setting says so (docs/browsers.md). */
window.askOp = (() => {
  "use strict";

  const url = document.currentScript.dataset.status;
  const ANSWERS = ["unchanged", "changed", "error"];
  const EVERY_MS = 30000;
  const asked = new Map();

  // No more than one request in that time for a session_state. What the OP said last stands while it does not answer; who asks before it
  // has said anything hears nothing, for an RP that hears "changed" to each of its questions renews once for each.
  return async (clientId, sessionState, origin) => {
    let last = asked.get(clientId);
    if (!last || last.sessionState !== sessionState) asked.set(clientId, (last = { sessionState, due: 0 }));
    if (Date.now() >= last.due) {
      const body = new URLSearchParams({ client_id: clientId, session_state: sessionState, origin });
      last.due = Date.now() + EVERY_MS;
      const { status } = await fetch(url, { method: "POST", credentials: "omit", body })
        .then((response) => response.json())
        .catch(() => ({}));
      last.said = ANSWERS.includes(status) ? status : last.said || "error";
    }
    return last.said;
  };
})();

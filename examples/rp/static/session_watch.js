// Has the session watched, shows what comes of it, and leaves the page when the session is over.
import { SessionMonitor } from "/session-monitor/session-monitor.js";

const WORDS = {
  unchanged: "Watched by the OpenID Provider's iframe: nothing has changed.",
  renewed: "Watched: the OpenID Provider was asked, and you are still signed in there.",
  listening: "Watched: this server will say when the OpenID Provider ends the session.",
  live: "Watched: this server asks the OpenID Provider now and then.",
  changed: "Something changed at the OpenID Provider, looking …",
  blind: "Not watched: this browser does not let the OpenID Provider look at its session.",
  "cooling-down": "Something changed at the OpenID Provider, which was asked a moment ago. Waiting before it is asked again …",
  "keeps-changing": "Not watched: the answer keeps changing although you are still signed in.",
  "too-often": "Not watched: the answer changes too often.",
  "no-storage": "Not watched: this browser keeps nothing for this page.",
  "no-answer": "The OpenID Provider, or this server, does not answer at the moment.",
  unknown: "Not watched: the OpenID Provider does not tell.",
};

const config = document.getElementById("session-watch").dataset;
const line = document.getElementById("session-status");

const { checkSessionIframe, eventsUrl, statusUrl } = config;
const monitor = new SessionMonitor({
  checkSession: checkSessionIframe && {
    url: checkSessionIframe,
    clientId: config.clientId,
    sessionState: config.sessionState,
    pollMs: Number(config.pollMs),
  },
  renew: { url: config.renewUrl, by: config.renewBy, timeoutMs: Number(config.renewTimeoutMs) },
  events: eventsUrl && { url: eventsUrl },
  status: statusUrl && { url: statusUrl, pollMs: Number(config.statusPollMs) },
  guard: { coolDownMs: Number(config.coolDownMs) },
});

monitor.addEventListener("state", ({ detail }) => {
  show(detail);
  if (detail.state === "signed-out") leave(detail);
});
// The user is on the way elsewhere: the OP's logout page, which this button leads to, must not be overtaken.
document.addEventListener("submit", () => monitor.stop());
monitor.start();

function show({ state, reason, channel, tried }) {
  Object.assign(line.dataset, { state, reason, channel: channel ?? "", tried: tried.map((one) => `${one.channel}:${one.reason}`).join(" ") });
  line.textContent = state === "signed-out" ? "Signing you out here …" : WORDS[reason];
}

function leave({ reason, by }) {
  const go = () => window.location.replace(config.signedOutUrl + encodeURIComponent(by ?? "ended"));
  if (reason === "ended") return go(); // here, by the server itself
  const body = new URLSearchParams({ csrf_token: config.csrfToken });
  return fetch(config.localLogoutUrl, { method: "POST", body }).then(go, go);
}

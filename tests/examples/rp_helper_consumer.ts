// What a TypeScript RP writes, and what the compiler must not let it write. Compiled by test_rp_helper_package.py, never run.
import { type Channel, type Clock, type Detail, type Options, SessionMonitor } from "oidc-session-monitor";
import "oidc-session-monitor/renewal-answer.js";

const checkSession = { url: "https://op.example/check_session", clientId: "rp", sessionState: "a.b" };
const renew = { url: "/renew", by: "page", timeoutMs: 5000 } as const;

const everything: Options = {
  checkSession: { ...checkSession, pollMs: 2000 },
  renew,
  events: { url: "/session/events" },
  status: { url: "/session/status", pollMs: 30_000 },
  guard: { coolDownMs: 1, most: 2, withinMs: 3 },
  retryMs: 4,
};
const monitor: EventTarget & SessionMonitor = new SessionMonitor(everything);
new SessionMonitor({ events: { url: "/session/events" } });
new SessionMonitor({ checkSession: undefined, renew, events: undefined, status: { url: "/session/status" } });

monitor.addEventListener("state", ({ detail }) => tell(detail));
monitor.start();
monitor.stop();

function tell(detail: Detail): string {
  const last: { channel: Channel; reason: string } | undefined = detail.tried.at(-1);
  const words: string = `${detail.channel ?? "nothing"} ${detail.by ?? ""} ${last?.reason}`;
  switch (detail.state) {
    case "starting":
    case "signed-in":
    case "checking":
    case "cannot-tell":
      return words;
    case "signed-out":
      return detail.reason === "ended" ? words : "";
    default: {
      const nothingElse: never = detail.state;
      return nothingElse;
    }
  }
}

const clock: Clock = { now: () => 0, random: () => 0, setTimeout: () => 1, clearTimeout: () => undefined };
new SessionMonitor({ events: { url: "/e" }, clock });

// @ts-expect-error: `changed` cannot be followed without a renewal
new SessionMonitor({ checkSession });
// @ts-expect-error: a slip of the pen
new SessionMonitor({ event: { url: "/session/events" } });
// @ts-expect-error: no such way
new SessionMonitor({ checkSession, renew: { url: "/renew", by: "popup" } });
// @ts-expect-error: without session_state there is nothing to ask
new SessionMonitor({ checkSession: { url: "https://op.example/check_session", clientId: "rp" }, renew });
// @ts-expect-error: it is told, not set
monitor.detail = { state: "signed-in" };
// @ts-expect-error: no such state
export const isOver = monitor.detail.state === "logged-out";

/* Watches, on a page of a signed-in user, whether that session is still there: over the first channel that works, and never in a loop.
 * README.md says how to use it, session-monitor.d.ts what each option and each event means. */
import { OpIframe } from "./op-iframe.js";
import { OtherTabs } from "./other-tabs.js";
import { ServerEvents } from "./server-events.js";
import { ServerStatus } from "./server-status.js";
import { RenewalGuard } from "./renewal-guard.js";
import { renewInFrame } from "./renewal.js";

const UNANSWERED_RENEWALS = 2; // "does not receive an ID Token" is a logout (OIDCSM-3.1), but one hiccup is forgiven

const realClock = {
  now: () => Date.now(),
  random: () => Math.random(),
  setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  clearTimeout: (timer) => window.clearTimeout(timer),
};

export class SessionMonitor extends EventTarget {
  #options;
  #clock;
  #sessionState;
  #guard;
  #tabs;
  #channel = null;
  #untried = [];
  #tried = [];
  #retryTimer = null;
  #renewal = null;
  #unansweredRenewals = 0;
  #isRunning = false;
  #detail = { state: "starting", reason: null, channel: null, by: null, tried: [] };

  constructor(options) {
    super();
    const { checkSession, renew, clock = realClock } = options;
    if (checkSession && !renew) throw new TypeError("checkSession needs renew: `changed` is a question to the OP, not an answer");
    if (renew && new URL(renew.url, location.href).origin !== location.origin) throw new TypeError("renew.url must be of this page's origin");
    this.#options = options;
    this.#clock = clock;
    this.#sessionState = checkSession?.sessionState;
    this.#guard = new RenewalGuard(`session-monitor ${checkSession?.clientId}`, options.guard, clock);
  }

  get detail() {
    return this.#detail;
  }

  start() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#tried = [];
    this.#unansweredRenewals = 0;
    this.#untried = ["iframe", "events", "status"].filter((name) => this.#config(name));
    if (this.#options.checkSession) {
      this.#tabs = new OtherTabs(`session-monitor ${this.#options.checkSession.clientId}`, (message) => this.#hearTab(message));
    }
    document.addEventListener("visibilitychange", this.#adaptToVisibility);
    this.#openNext();
  }

  stop() {
    this.#isRunning = false;
    document.removeEventListener("visibilitychange", this.#adaptToVisibility);
    this.#clock.clearTimeout(this.#retryTimer);
    this.#renewal?.abort();
    this.#renewal = null;
    this.#channel?.close();
    this.#channel = null;
    this.#tabs?.close();
    this.#tabs = null;
  }

  #config(name) {
    return this.#options[name === "iframe" ? "checkSession" : name];
  }

  // Whoever listens may stop the monitor: look whether it is still running before going on.
  #tell(state, reason, by = null) {
    const channel = this.#channel?.name ?? null;
    const last = this.#detail;
    if (last.state === state && last.reason === reason && last.channel === channel) return;
    this.#detail = { state, reason, channel, by, tried: this.#tried.map((one) => ({ ...one })) };
    this.dispatchEvent(new CustomEvent("state", { detail: this.#detail }));
  }

  #openNext() {
    const name = this.#untried.shift();
    if (name) {
      this.#channel = this.#make(name);
      this.#adaptToVisibility();
      return;
    }
    this.#channel = null;
    this.#tell("cannot-tell", this.#tried.at(-1)?.reason ?? "no-channel");
    if (this.#isRunning && this.#tried.some((one) => one.reason === "no-answer")) {
      this.#retryTimer = this.#clock.setTimeout(() => this.#tryAgain(), this.#options.retryMs ?? 60_000);
    }
  }

  // Silence may end by itself; that the browser hides a cookie does not.
  #tryAgain() {
    this.#untried = this.#tried.filter((one) => one.reason === "no-answer").map((one) => one.channel);
    this.#tried = this.#tried.filter((one) => one.reason !== "no-answer");
    this.#openNext();
  }

  #make(name) {
    const report = (what, detail, by) => this.#hear(channel, what, detail, by);
    const config = this.#config(name);
    let channel;
    if (name === "iframe") channel = new OpIframe(config, () => this.#sessionState, this.#clock, report);
    else if (name === "events") channel = new ServerEvents(config, report);
    else channel = new ServerStatus(config, this.#clock, report);
    return channel;
  }

  // A page that nobody looks at needs no watching, and its server no connection; whoever comes back to it finds out at once.
  #adaptToVisibility = () => {
    if (this.#renewal) return;
    if (document.visibilityState === "hidden") this.#channel?.pause();
    else this.#channel?.resume();
  };

  #hear(channel, what, detail, by) {
    if (!this.#isRunning || channel !== this.#channel || this.#renewal) return; // too late to matter
    if (what === "live") {
      if (channel.name === "iframe") this.#guard.settle();
      this.#tell("signed-in", detail);
    } else if (what === "ended") this.#signOut(detail, by);
    else if (what === "changed") this.#consider();
    else this.#giveUp(detail);
  }

  #giveUp(reason) {
    const channel = this.#channel;
    channel.close();
    this.#tell("cannot-tell", reason);
    this.#tried.push({ channel: channel.name, reason });
    if (this.#isRunning) this.#openNext();
  }

  // `changed` may be false, for ever: a renewal that settles nothing is not repeated at once, and not often (OIDCSM-5.1).
  #consider() {
    const { renew } = this.#options;
    const verdict = this.#guard.verdict();
    if (verdict === "wait") this.#tell("cannot-tell", "cooling-down");
    else if (verdict !== "go") this.#giveUp(verdict);
    else if (renew.by === "page") this.#renewByPage(renew.url);
    else this.#renewByFrame(renew);
  }

  #renewByPage(url) {
    this.#guard.count();
    if (!this.#guard.isKept) {
      this.#giveUp("no-storage"); // nothing would stop the second page from doing the same
      return;
    }
    this.#tell("checking", "changed");
    if (!this.#isRunning) return;
    this.stop();
    window.location.replace(url);
  }

  async #renewByFrame({ url, timeoutMs = 10_000 }) {
    const was = this.#sessionState;
    const renewal = new AbortController();
    this.#renewal = renewal;
    this.#channel.pause();
    this.#tell("checking", "changed");
    if (renewal.signal.aborted) return;
    const answer = await this.#tabs.alone(() => {
      if (renewal.signal.aborted) return null;
      this.#guard.count();
      return renewInFrame(url, timeoutMs, this.#clock, renewal.signal);
    });
    if (renewal.signal.aborted) return;
    this.#renewal = null;
    this.#take(answer, was);
  }

  #take(answer, was) {
    if (answer === null) {
      this.#channel.postpone(); // another tab is asking: it tells what comes of it, before this one's next poll
      this.#adaptToVisibility();
    } else if (answer.renewal === "same-user") {
      const sessionState = answer.sessionState || was;
      this.#tabs.tell({ was, sessionState });
      this.#adopt(sessionState);
    } else if (answer.renewal === "no-answer" && ++this.#unansweredRenewals < UNANSWERED_RENEWALS) {
      this.#tell("cannot-tell", "no-answer");
      this.#adaptToVisibility();
    } else {
      this.#tabs.tell({ was, ended: answer.renewal });
      this.#signOut(answer.renewal);
    }
  }

  #adopt(sessionState) {
    this.#unansweredRenewals = 0;
    this.#sessionState = sessionState;
    this.#tell("signed-in", "renewed");
    this.#adaptToVisibility();
  }

  #hearTab({ was, sessionState, ended }) {
    if (!this.#isRunning || was !== this.#sessionState) return;
    if (ended) this.#signOut(ended);
    else if (this.#renewal === null) this.#adopt(sessionState);
  }

  #signOut(reason, by) {
    this.#tell("signed-out", reason, by);
    this.stop();
  }
}

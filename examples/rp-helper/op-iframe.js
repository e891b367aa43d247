/* The first channel: the OP's check_session_iframe, asked by messages (OpenID Connect Session Management 1.0, 3.1). It costs no request. */
import { hiddenFrame } from "./hidden-frame.js";

const POLL_MS = 5_000;
const SILENT_MS = 15_000; // then it is an error page, perhaps

export class OpIframe {
  name = "iframe";
  #config;
  #sessionState;
  #clock;
  #report;
  #origin;
  #frame = null;
  #isLoaded = false;
  #isPaused = true;
  #waitsSince = null; // for an answer. Not since the last one came: the machine may have slept in between
  #timer = null;

  constructor(config, sessionState, clock, report) {
    this.#config = config;
    this.#sessionState = sessionState;
    this.#clock = clock;
    this.#report = report;
    this.#origin = new URL(config.url, location.href).origin;
  }

  resume() {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#waitsSince = this.#clock.now();
    if (this.#frame === null) {
      this.#frame = hiddenFrame("op-session-iframe", this.#config.url);
      this.#frame.addEventListener("load", this.#begin);
      window.addEventListener("message", this.#receive);
      this.#askLater();
    } else if (this.#isLoaded) this.#ask();
    else this.#askLater();
  }

  pause() {
    this.#isPaused = true;
    this.#clock.clearTimeout(this.#timer);
  }

  /* Go on, but ask a pause later. */
  postpone() {
    this.#isPaused = false;
    this.#waitsSince = null;
    this.#askLater();
  }

  close() {
    this.pause();
    window.removeEventListener("message", this.#receive);
    this.#frame?.remove();
  }

  #begin = () => {
    this.#isLoaded = true;
    if (!this.#isPaused) this.#ask();
  };

  #askLater() {
    const { pollMs = POLL_MS } = this.#config;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#ask(), pollMs * (0.9 + 0.2 * this.#clock.random())); // so that tabs do not ask in step
  }

  #ask() {
    this.#waitsSince ??= this.#clock.now();
    if (this.#clock.now() - this.#waitsSince >= Math.max(SILENT_MS, 2 * (this.#config.pollMs ?? POLL_MS))) {
      this.#report("failed", "no-answer");
      return;
    }
    if (this.#isLoaded) this.#frame.contentWindow.postMessage(`${this.#config.clientId} ${this.#sessionState()}`, this.#origin);
    this.#askLater();
  }

  #receive = ({ origin, source, data }) => {
    // Both are needed: the origin against strangers, the window against other pages of the same origin (OIDCSM-6).
    if (origin !== this.#origin || source !== this.#frame.contentWindow || this.#isPaused) return;
    if (data === "unchanged" || data === "changed" || data === "error") this.#waitsSince = null;
    if (data === "unchanged") this.#report("live", "unchanged");
    else if (data === "changed") this.#report("changed");
    else if (data === "error") this.#report("failed", "blind"); // MUST NOT ask with prompt=none (OIDCSM-3.1)
  };
}

/* The third channel: the RP's own server, which asks the OP by `sid`, is asked now and then: {"status": "live" | "ended" | "unknown"}. */

const FAILURES_IN_A_ROW = 3;

export class ServerStatus {
  name = "status";
  #config;
  #clock;
  #report;
  #timer = null;
  #request = null;
  #failures = 0;

  constructor(config, clock, report) {
    this.#config = config;
    this.#clock = clock;
    this.#report = report;
  }

  resume() {
    if (this.#request === null) this.#ask();
  }

  pause() {
    this.#clock.clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
  }

  close() {
    this.pause();
  }

  async #ask() {
    const request = new AbortController();
    this.#request = request;
    const { status, reason } = await this.#answer(request.signal);
    if (request.signal.aborted) return;
    this.#failures = status ? 0 : this.#failures + 1;
    if (status === "ended") this.#report("ended", "ended", reason);
    else if (status === "unknown") this.#report("failed", "unknown");
    else if (this.#failures >= FAILURES_IN_A_ROW) this.#report("failed", "no-answer");
    else {
      if (status === "live") this.#report("live", "live");
      const { pollMs = 60_000 } = this.#config;
      this.#timer = this.#clock.setTimeout(() => this.#ask(), pollMs * (0.9 + 0.2 * this.#clock.random()));
    }
  }

  async #answer(signal) {
    try {
      const response = await fetch(this.#config.url, { signal, cache: "no-store", redirect: "error", headers: { Accept: "application/json" } });
      const answer = response.ok ? await response.json() : {};
      return ["live", "ended", "unknown"].includes(answer?.status) ? answer : {};
    } catch {
      return {};
    }
  }
}

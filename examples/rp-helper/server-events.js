/* The second channel: the RP's own server says at once that it has ended the session, by server-sent events: `live`, then `ended`. */

const REFUSALS_IN_A_ROW = 3;

export class ServerEvents {
  name = "events";
  #url;
  #report;
  #source = null;
  #errors = 0;

  constructor({ url }, report) {
    this.#url = url;
    this.#report = report;
  }

  resume() {
    if (this.#source !== null) return;
    this.#errors = 0;
    this.#source = new EventSource(this.#url);
    this.#source.addEventListener("live", () => {
      this.#errors = 0;
      this.#report("live", "listening");
    });
    this.#source.addEventListener("ended", ({ data }) => this.#report("ended", "ended", data));
    this.#source.addEventListener("error", () => this.#countError());
  }

  pause() {
    this.#source?.close();
    this.#source = null;
  }

  close() {
    this.pause();
  }

  // The browser connects again by itself, except after an answer that is no stream.
  #countError() {
    this.#errors += 1;
    if (this.#source?.readyState === EventSource.CLOSED || this.#errors >= REFUSALS_IN_A_ROW) this.#report("failed", "no-answer");
  }
}

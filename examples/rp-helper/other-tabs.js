/* Pages of one RP in one browser: one of them asks the OP, and the others hear what came of it. Where the browser lacks the means, each
 * asks for itself. */

export class OtherTabs {
  #name;
  #channel = null;

  constructor(name, hear) {
    this.#name = name;
    try {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }) => hear(data);
    } catch {
      // no such thing, or not for this page
    }
  }

  tell(message) {
    this.#channel?.postMessage(message);
  }

  close() {
    this.#channel?.close();
  }

  /* What `job` resolves to; null when another tab is at it. */
  async alone(job) {
    try {
      return await navigator.locks.request(this.#name, { ifAvailable: true }, (lock) => (lock === null ? null : job()));
    } catch {
      return job(); // no locks here: below http, or in an old browser
    }
  }
}

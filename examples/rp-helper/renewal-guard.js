/* How often a page may ask the OP with prompt=none: remembered over page loads of a tab, so that no loop can be made of them. */

const UNSETTLED = 2; // renewals after which the answer was still `changed`
const UNSETTLED_UNKEPT = 1; // where nothing can be remembered, another page load would begin anew

export class RenewalGuard {
  #key;
  #coolDownMs;
  #most;
  #withinMs;
  #clock;
  #tried;
  isKept = true;

  constructor(key, { coolDownMs = 30_000, most = 6, withinMs = 600_000 } = {}, clock) {
    this.#key = key;
    this.#coolDownMs = coolDownMs;
    this.#most = most;
    this.#withinMs = withinMs;
    this.#clock = clock;
    this.#save(this.#load());
  }

  // "go"; "wait" for the end of the cool-down; "keeps-changing" or "too-often": no more.
  verdict() {
    const { tries, unsettled } = this.#recent(this.#tried);
    if (tries.length >= this.#most) return "too-often";
    if (unsettled === 0) return "go";
    if (unsettled >= (this.isKept ? UNSETTLED : UNSETTLED_UNKEPT)) return "keeps-changing";
    return this.#clock.now() - tries.at(-1) < this.#coolDownMs ? "wait" : "go";
  }

  count() {
    const { tries, unsettled } = this.#recent(this.#tried);
    this.#save({ tries: [...tries, this.#clock.now()], unsettled: unsettled + 1 });
  }

  // `unchanged`: whatever was tried before was of use.
  settle() {
    if (this.#tried.unsettled > 0) this.#save({ ...this.#tried, unsettled: 0 });
  }

  #recent({ tries, unsettled }) {
    const now = this.#clock.now();
    const recent = tries.filter((at) => at <= now && now - at < this.#withinMs);
    return { tries: recent, unsettled: recent.length > 0 ? unsettled : 0 };
  }

  // Read once: what this page remembers counts even where it cannot be written down.
  #load() {
    try {
      const { tries, unsettled } = JSON.parse(sessionStorage.getItem(this.#key));
      if (tries.every(Number.isFinite) && Number.isInteger(unsettled)) return { tries, unsettled };
    } catch {
      // no storage, nothing in it, or not ours
    }
    return { tries: [], unsettled: 0 };
  }

  #save(tried) {
    this.#tried = tried;
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(tried));
      this.isKept = true;
    } catch {
      this.isKept = false;
    }
  }
}

/* The OP iframe (OpenID Connect Session Management 1.0, 3.2): an RP's page posts `client_id SP session_state` and hears
 * "unchanged", "changed" or "error", without a request. docs/browsers.md tells why each step is there. */
(() => {
  "use strict";

  const { cookie: cookieName, loopGuard } = document.currentScript.dataset;
  const ANSWERS = ["unchanged", "changed", "error"];

  // SHA-256, its constants worked out. Not crypto.subtle: below an http page there is none.
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const fractions = (root) => primes.map((p) => ((root(p) % 1) * 2 ** 32) | 0);
  const K = fractions(Math.cbrt);
  const START = fractions(Math.sqrt).slice(0, 8);
  const rotate = (x, n) => (x >>> n) | (x << (32 - n));

  function sha256(text) {
    const bytes = [...new TextEncoder().encode(text), 0x80];
    const words = [];
    bytes.forEach((byte, i) => (words[i >> 2] |= byte << (24 - 8 * (i % 4))));
    words[((bytes.length + 71) >> 6) * 16 - 1] = (bytes.length - 1) * 8;
    const w = [];
    let hash = START;
    for (let block = 0; block < words.length; block += 16) {
      let [a, b, c, d, e, f, g, h] = hash;
      for (let i = 0; i < 64; i++) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
        const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
        w[i] = i < 16 ? words[block + i] | 0 : (w[i - 16] + s0 + w[i - 7] + s1) | 0;
        const t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
        const t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        [a, b, c, d, e, f, g, h] = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g];
      }
      hash = [a, b, c, d, e, f, g, h].map((x, i) => (x + hash[i]) >>> 0);
    }
    return hash.map((x) => x.toString(16).padStart(8, "0")).join("");
  }

  // None where it is hidden or gone; of two, ours cannot be told.
  function states() {
    try {
      return document.cookie.split("; ").flatMap((one) => (one.startsWith(cookieName + "=") ? one.slice(cookieName.length + 1) : []));
    } catch (blocked) {
      return [];
    }
  }

  // Takes what the user has granted, never prompts.
  async function hasAccess() {
    try {
      if (states().length || (await document.hasStorageAccess())) return true;
      const { state } = await navigator.permissions.query({ name: "storage-access" });
      return state === "granted" && !(await document.requestStorageAccess());
    } catch (refused) {
      return false;
    }
  }
  const access = hasAccess();

  // Our parent may ask, and other frames of its origin.
  function isRp(source, origin) {
    const [known] = location.ancestorOrigins || [];
    return window !== parent && (known && known !== "null" ? origin === known : source === parent);
  }

  let guarded;
  let mismatches;

  // A healthy RP finds one mismatch per state; another would renew for ever.
  function changed(state, clientId, value) {
    if (state !== guarded) mismatches = new Map();
    guarded = state;
    const tried = mismatches.get(clientId) || new Set();
    if (tried.size < 4) mismatches.set(clientId, tried.add(value));
    return loopGuard === "on" && tried.size > 3 ? "error" : "changed";
  }

  async function answer(data, origin) {
    // A client_id may hold spaces: the last one separates.
    const parts = typeof data === "string" && /^(.+) (([0-9a-f]{64})\.([!-\-/-~]+))$/.exec(data);
    if (!parts) return "error";
    const [, clientId, value, hash, salt] = parts;
    const isHere = states().length || (await access);
    const [state, other] = states();
    if (state && other === undefined) {
      return sha256([clientId, origin, state, salt].join(" ")) === hash ? "unchanged" : changed(state, clientId, value);
    }
    // Removed by the user. (That of an http issuer is Lax: hidden whatever the access.)
    if (state === undefined && isHere && cookieName.startsWith("__Host-")) return changed("", clientId, value);
    // Not "changed": an RP would renew for ever.
    const said = window.askOp ? await window.askOp(clientId, value, origin) : "error";
    return said === "changed" ? changed("", clientId, value) : said;
  }

  addEventListener("message", async ({ data, origin, source }) => {
    // An answer is not answered: two OP iframes would never end.
    if (!source || origin === "null" || ANSWERS.includes(data) || !isRp(source, origin)) return;
    const said = await answer(data, origin);
    if (said) source.postMessage(said, origin);
  });
})();

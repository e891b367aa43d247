/* The OP iframe (OpenID Connect Session Management 1.0, section 3.2).
 *
 * An RP's page posts `client_id SP session_state`; the answer is "unchanged", "changed" or "error", given at once
 * from the cookie named by data-cookie, without any request.
 */
(() => {
  "use strict";

  const { cookie: cookieName, loopGuard } = document.currentScript.dataset;
  const LOOP_LIMIT = 3;

  // The constants of SHA-256: 32 bits of the fractions of the primes' roots. Doubles have bits to spare for that.
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const K = primes.map((p) => fraction(Math.cbrt(p)));

  // FIPS 180-4, in lower-case hex. Not crypto.subtle: it is missing below an http page, and answers later.
  function sha256(text) {
    const bytes = new TextEncoder().encode(text);
    const padded = new DataView(new ArrayBuffer(((bytes.length + 72) >> 6) << 6));
    new Uint8Array(padded.buffer).set(bytes);
    padded.setUint8(bytes.length, 0x80);
    padded.setUint32(padded.byteLength - 8, bytes.length / 0x20000000);
    padded.setUint32(padded.byteLength - 4, bytes.length << 3);

    const hash = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
    const rotate = (x, n) => (x >>> n) | (x << (32 - n));
    const w = [];
    for (let block = 0; block < padded.byteLength; block += 64) {
      let [a, b, c, d, e, f, g, h] = hash;
      for (let i = 0; i < 64; i++) {
        if (i < 16) {
          w[i] = padded.getUint32(block + 4 * i);
        } else {
          const x = w[i - 15];
          const y = w[i - 2];
          const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
          const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
          w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
        }
        const t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
        const t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        [a, b, c, d, e, f, g, h] = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g];
      }
      [a, b, c, d, e, f, g, h].forEach((x, i) => (hash[i] = (hash[i] + x) | 0));
    }
    return hash.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  }

  // undefined: hidden from this frame, or there twice, so that ours cannot be told.
  function opBrowserState() {
    try {
      const found = document.cookie.split("; ").filter((cookie) => cookie.startsWith(cookieName + "="));
      return found.length === 1 ? found[0].slice(cookieName.length + 1) : undefined;
    } catch (blocked) {
      return undefined;
    }
  }

  // Our parent may ask, and other frames of its origin; nobody else.
  function isFromRp(source, origin) {
    const [known] = location.ancestorOrigins || [];
    return window !== parent && (known && known !== "null" ? origin === known : source === parent);
  }

  let guardedState;
  let mismatches = new Map();

  // A healthy RP finds one mismatch per op_browser_state. When its new session_states do not match either, the OP sees
  // another cookie than we do, and "changed" would have the RP renew for ever.
  function isLooping(state, clientId, sessionState) {
    if (state !== guardedState) {
      guardedState = state;
      mismatches = new Map();
    }
    const tried = mismatches.get(clientId) || new Set();
    if (tried.size <= LOOP_LIMIT) mismatches.set(clientId, tried.add(sessionState));
    return tried.size > LOOP_LIMIT;
  }

  function answer(message, origin) {
    // A client_id may hold spaces: the last one separates.
    const parts = typeof message === "string" && /^(.+) (([0-9a-f]{64})\.([!-\-/-~]+))$/.exec(message);
    if (!parts) return "error";
    const [, clientId, sessionState, hash, salt] = parts;
    const state = opBrowserState();
    // Not "changed": an RP whose browser blocks the cookie would renew for ever.
    if (!state) return "error";
    if (sha256([clientId, origin, state, salt].join(" ")) === hash) return "unchanged";
    return loopGuard === "on" && isLooping(state, clientId, sessionState) ? "error" : "changed";
  }

  addEventListener("message", (event) => {
    // No address to answer to, or an answer: two OP iframes would answer each other for ever.
    const { data, origin, source } = event;
    if (!source || origin === "null" || ["changed", "unchanged", "error"].includes(data)) return;
    if (isFromRp(source, origin)) source.postMessage(answer(data, origin), origin);
  });
})();

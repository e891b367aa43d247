/** Where the session is watched from: the OP's iframe, or the RP's own server. */
export type Channel = "iframe" | "events" | "status";

/**
 * - `starting`: nothing is known yet
 * - `signed-in`: the channel says so
 * - `checking`: something changed at the OP, which is being asked with `prompt=none`
 * - `signed-out`: the session is over; the monitor has stopped. End the RP's own session, show a page that says so
 * - `cannot-tell`: not known at the moment, or not any more. Do nothing
 */
export type State = "starting" | "signed-in" | "checking" | "signed-out" | "cannot-tell";

export type Reason =
  // signed-in
  | "unchanged" // the OP iframe says so
  | "renewed" // the OP says that it is the same user
  | "listening" // the RP's server will say when that ends
  | "live" // the RP's server says so, having asked the OP
  // checking
  | "changed" // the OP iframe says so
  // signed-out
  | "ended" // the RP's server says so; `by` is its word for who ended it
  | "other-user" // somebody else is signed in at the OP
  | "refused" // nobody is, as far as the browser shows the OP its cookies
  // cannot-tell
  | "blind" // the OP iframe answers `error`: cookies are blocked, most likely
  | "cooling-down" // `changed`, but the OP was asked a moment ago
  | "keeps-changing" // `changed`, although the OP was asked and says it is the same user
  | "too-often" // more changes than there should be
  | "no-storage" // asking by page needs sessionStorage, so that it cannot become a loop
  | "unknown" // the RP's server cannot find out
  | "no-channel" // none was given
  // signed-out (twice in a row) or cannot-tell
  | "no-answer";

export interface Detail {
  readonly state: State;
  readonly reason: Reason | null;
  /** What said so; null once no channel is left. */
  readonly channel: Channel | null;
  /** With `ended`: who ended it, in the word of the RP's server. */
  readonly by: string | null;
  /** The channels that were given up, and why. */
  readonly tried: readonly { readonly channel: Channel; readonly reason: Reason }[];
}

/** The OP's `check_session_iframe`. */
export interface CheckSession {
  /** The OP's metadata value of that name. */
  url: string;
  clientId: string;
  /** From the authentication response. */
  sessionState: string;
  /** Milliseconds between two questions, give or take a tenth; 5000 when left out. They cost no request. */
  pollMs?: number;
}

/** Server-sent events of the RP's own server: `live` at the beginning, `ended` with who ended it as data. */
export interface Events {
  url: string;
}

/** JSON of the RP's own server: `{"status": "live"}`, `{"status": "ended", "reason": ...}` or `{"status": "unknown"}`. */
export interface Status {
  url: string;
  /** Milliseconds between two requests, give or take a tenth; 60000 when left out. */
  pollMs?: number;
}

/** How the OP is asked on `changed`. */
export interface Renew {
  /** A page of this origin that redirects to the OP with `prompt=none` and `id_token_hint`. */
  url: string;
  /**
   * `frame`, which is what happens when left out: in a hidden iframe; in the end the page in it loads renewal-answer.js.
   * `page`: this very page goes there, and the RP sends it back. That works where the browser hides cookies from frames, too.
   */
  by?: "frame" | "page";
  /** Milliseconds to wait for the iframe; 10000 when left out. */
  timeoutMs?: number;
}

/** How often the OP may be asked, over all page loads of a tab. */
export interface Guard {
  /** Milliseconds before it is asked again where asking has not led to `unchanged`; 30000 when left out. After the second time it ends. */
  coolDownMs?: number;
  /** How often in `withinMs`, whatever comes of it; 6 when left out. */
  most?: number;
  /** Milliseconds; 600000 when left out. */
  withinMs?: number;
}

/** Time and chance, for tests. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(timer: number | null): void;
}

interface ServerChannels {
  events?: Events | undefined;
  status?: Status | undefined;
  guard?: Guard;
  /** Milliseconds after which channels that did not answer are tried again, once no other is left; 60000 when left out. */
  retryMs?: number;
  clock?: Clock;
}

/** Channels are tried in the order iframe, events, status. */
export type Options = ServerChannels & ({ checkSession: CheckSession; renew: Renew } | { checkSession?: undefined; renew?: Renew | undefined });

/** Watches from `start()` until `stop()` or until the session is over. A hidden page is not watched; it asks when it is seen again. */
export class SessionMonitor extends EventTarget {
  /** @throws TypeError `checkSession` without `renew`, or a `renew.url` of another origin */
  constructor(options: Options);

  /** What was told last. */
  readonly detail: Detail;

  start(): void;

  /** Ends everything: timers, frames, connections. Tells nothing. */
  stop(): void;

  addEventListener(type: "state", listener: (event: CustomEvent<Detail>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener(type: "state", listener: (event: CustomEvent<Detail>) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

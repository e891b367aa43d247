// The RP's half of OpenID Connect Session Management 1.0 (section 3.1). Load it on pages of a signed-in user:
//
//   <script src="session_monitor.js" defer
//           data-check-session-iframe   the OP's metadata value of that name
//           data-client-id              this RP's client_id
//           data-session-state          from the authentication response
//           data-poll-ms                pause between two questions to the OP iframe
//           data-renew-url              a page of this RP that asks the OP again with prompt=none (and id_token_hint), and in
//                                       the end posts {renewal: "same_user" | "other_user" | "refused" | "no_answer",
//                                       sessionState} to its parent window at this origin
//           data-renew-timeout-ms       how long to wait for that
//           data-local-logout-url       POST here, with csrf_token, ends this RP's own session
//           data-csrf-token
//           data-signed-out-url         where the page goes then
//   ></script>
//
// Each turn of events is a `session-monitor` event on the document; `detail` is "unchanged", "checking", "no_answer",
// "signed_out", "stopped:cannot_check" or "stopped:keeps_changing". No token ever passes through this script.
"use strict";
(() => {
  const config = document.currentScript.dataset;
  const opOrigin = new URL(config.checkSessionIframe).origin;
  const FRUITLESS_RENEWALS = 2; // renewals in a row that leave the answer `changed`
  const UNANSWERED_RENEWALS = 2; // "does not receive an ID Token" is a logout (OIDCSM-3.1), but one hiccup is forgiven
  const UNANSWERED_POLLS = 3; // then the OP iframe is loaded anew: it may have been an error page

  let sessionState = config.sessionState;
  let timer = null;
  let renewalFrame = null;
  let renewalTimer = null;
  let fruitlessRenewals = 0;
  let unansweredRenewals = 0;
  let unansweredPolls = 0;

  const opFrame = hiddenFrame("op-session-iframe", config.checkSessionIframe);
  opFrame.addEventListener("load", poll);
  window.addEventListener("message", receive);
  timer = setInterval(poll, Number(config.pollMs));

  function report(detail) {
    document.dispatchEvent(new CustomEvent("session-monitor", { detail }));
  }

  // Not display:none, which some browsers take as leave not to load the frame.
  function hiddenFrame(id, src) {
    const frame = document.createElement("iframe");
    frame.id = id;
    frame.src = src;
    frame.title = "Session check";
    frame.tabIndex = -1;
    frame.setAttribute("aria-hidden", "true");
    Object.assign(frame.style, { position: "absolute", width: "0", height: "0", border: "0" });
    document.body.append(frame);
    return frame;
  }

  function poll() {
    if (timer === null || renewalFrame !== null) {
      return;
    }
    if (unansweredPolls >= UNANSWERED_POLLS) {
      unansweredPolls = 0;
      report("no_answer");
      opFrame.src = config.checkSessionIframe;
      return;
    }
    unansweredPolls += 1;
    opFrame.contentWindow.postMessage(config.clientId + " " + sessionState, opOrigin);
  }

  function receive(event) {
    // Both are needed: the origin against strangers, the window against other pages of the same origin (OIDCSM-6).
    if (event.origin === opOrigin && event.source === opFrame.contentWindow) {
      receiveFromOp(event.data);
    } else if (renewalFrame !== null && event.origin === window.location.origin && event.source === renewalFrame.contentWindow) {
      receiveFromRenewal(event.data);
    }
  }

  function receiveFromOp(answer) {
    if (timer === null || renewalFrame !== null) {
      return;
    }
    unansweredPolls = 0;
    if (answer === "unchanged") {
      fruitlessRenewals = 0;
      report("unchanged");
    } else if (answer === "changed") {
      if (fruitlessRenewals >= FRUITLESS_RENEWALS) {
        stop("stopped:keeps_changing"); // third-party cookies are blocked, most likely (OIDCSM-5.1)
      } else {
        renew();
      }
    } else if (answer === "error") {
      stop("stopped:cannot_check"); // MUST NOT ask with prompt=none (OIDCSM-3.1)
    }
  }

  function renew() {
    report("checking");
    renewalFrame = hiddenFrame("session-renewal-iframe", config.renewUrl);
    renewalTimer = setTimeout(() => receiveFromRenewal({ renewal: "no_answer" }), Number(config.renewTimeoutMs));
  }

  function receiveFromRenewal(message) {
    clearTimeout(renewalTimer);
    renewalFrame.remove();
    renewalFrame = null;
    if (message.renewal === "same_user") {
      unansweredRenewals = 0;
      fruitlessRenewals += 1; // an `unchanged` from the next poll proves that it was not
      sessionState = message.sessionState || sessionState;
      poll();
    } else if (message.renewal === "no_answer" && (unansweredRenewals += 1) < UNANSWERED_RENEWALS) {
      report("no_answer");
    } else {
      signOut();
    }
  }

  function signOut() {
    stop("signed_out");
    const leave = () => window.location.replace(config.signedOutUrl);
    const body = new URLSearchParams({ csrf_token: config.csrfToken });
    fetch(config.localLogoutUrl, { method: "POST", body, credentials: "same-origin" }).then(leave, leave);
  }

  function stop(detail) {
    clearInterval(timer);
    timer = null;
    report(detail);
  }
})();

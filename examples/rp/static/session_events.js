// For an RP that its OP tells over the front or back channel: the RP's own server tells the open page, which leaves at once.
//
//   <script src="session_events.js" defer
//           data-events-url      a server-sent event `ended`, with the word for who ended the session
//           data-signed-out-url  where the page goes then, with that word appended
//   ></script>
//
// A hidden tab listens to nothing: browsers have about six connections for one server, and all its tabs share them.
"use strict";
(() => {
  const config = document.currentScript.dataset;
  let events = null;

  function listen() {
    if (document.visibilityState === "hidden") {
      events?.close();
      events = null;
    } else if (events === null) {
      events = new EventSource(config.eventsUrl);
      events.addEventListener("ended", leave);
    }
  }

  function leave(event) {
    events.close();
    window.location.replace(config.signedOutUrl + encodeURIComponent(event.data));
  }

  // The page is on its way elsewhere already: what it asked for, such as the OP's logout page, must not be overtaken.
  function fallSilent() {
    document.removeEventListener("visibilitychange", listen);
    events?.close();
  }

  document.addEventListener("visibilitychange", listen);
  document.addEventListener("submit", fallSilent);
  window.addEventListener("pagehide", fallSilent);
  listen();
})();

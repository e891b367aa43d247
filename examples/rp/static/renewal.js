// Runs in the hidden iframe of a silent renewal: hands the outcome to the RP's own page around it, and to nobody else.
"use strict";
(() => {
  const { outcome, sessionState } = document.currentScript.dataset;
  if (window.parent !== window) {
    window.parent.postMessage({ renewal: outcome, sessionState }, window.location.origin);
  }
})();

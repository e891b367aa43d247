// What the OP answered to a silent request in a hidden frame goes to the RP's page around it.
"use strict";
if (window.parent !== window) {
  window.parent.postMessage({ answer: window.location.search }, window.location.origin);
}

/* The other end of a silent renewal: `<html data-renewal="same-user" data-session-state="...">` in the hidden iframe. It tells the RP's own
 * page around it, and nobody else. */
const { renewal, sessionState } = document.documentElement.dataset;
if (window.parent !== window) window.parent.postMessage({ renewal, sessionState }, window.location.origin);

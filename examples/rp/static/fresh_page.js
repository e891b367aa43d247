// A page that comes out of the browser's back/forward memory may be of a session that has ended: ask the server again.
"use strict";
window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    window.location.reload();
  }
});

// The end of a logout. The page's load event waits for all frames, their nested ones too; a frame that hangs has its time.
(() => {
  "use strict";

  const { waitMs, readMs } = document.currentScript.dataset;
  const [progress, onward, stay] = ["progress", "continue", "stay"].map((id) => document.getElementById(id));
  const after = (ms) => new Promise((done) => setTimeout(done, ms));
  const loaded = new Promise((done) => addEventListener("load", done));
  let leaves = onward !== null;

  function sayDone() {
    progress.textContent = progress.dataset.done;
  }

  if (stay) {
    stay.hidden = false;
    stay.addEventListener("click", () => {
      leaves = false;
      onward.focus();
      stay.hidden = true;
      sayDone();
    });
  }

  Promise.all([Promise.race([loaded, after(waitMs)]), after(readMs)]).then(() => {
    if (leaves) location.replace(onward.href);
    else sayDone();
  });
})();

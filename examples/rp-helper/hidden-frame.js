/* An iframe that nobody sees. Not display:none, which some browsers take as leave not to load it. */

export function hiddenFrame(id, src) {
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

// An RP as the documentation of oidc-client-ts has it: code flow with PKCE in the page, the session monitor on, all else by default.
// Only the pause between two polls is shorter, so that two minutes of them pass in a few seconds.
"use strict";
(async () => {
  const here = window.location;
  if (here.pathname === "/oidc" && here.search) sessionStorage.setItem("rp", here.search);
  const rp = new URLSearchParams(sessionStorage.getItem("rp"));
  const manager = new oidc.UserManager({
    authority: rp.get("op"),
    client_id: rp.get("client_id"),
    redirect_uri: here.origin + "/oidc/cb",
    silent_redirect_uri: here.origin + "/oidc/silent",
    monitorSession: here.pathname === "/oidc",
    checkSessionIntervalInSeconds: Number(rp.get("every_ms")) / 1000,
  });
  if (here.pathname === "/oidc/silent") {
    await manager.signinSilentCallback();
  } else if (here.pathname === "/oidc/cb") {
    await manager.signinRedirectCallback();
    here.replace("/oidc");
  } else {
    manager.events.addUserSignedOut(() => manager.removeUser());
    manager.events.addUserUnloaded(() => (window.rp = "signed out"));
    window.signIn = () => manager.signinRedirect();
    window.rp = (await manager.getUser()) ? "signed in" : "signed out";
  }
})();

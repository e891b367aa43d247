// Sends the authorization response on (OAuth 2.0 Form Post Response Mode). The prototype's method is used because a
// field called "submit" would hide the form's own.
"use strict";
HTMLFormElement.prototype.submit.call(document.forms[0]);

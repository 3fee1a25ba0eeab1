// The API key: asked for when the service wants one, kept in this tab's session, sent in a header only.
import { byId } from "./dom.js";

const SLOT = "financellm.key";
const UNKNOWN = "The service does not know this key. Check it and try again.";
const UNSENDABLE = "This key holds a character that no header can carry. Copy it again.";
// What fits into a header: no control characters, nothing above U+00FF.
const SENDABLE = /^[\x20-\x7e\xa0-\xff]+$/;
let asking = null;
let usualWords = "";

export const storedKey = () => sessionStorage.getItem(SLOT);

// Resolves with whether a key was given; callers that need one at the same time share the question.
export function askForKey(refused) {
  asking ??= open(refused).finally(() => (asking = null));
  return asking;
}

// Shows the way to give a key, also to someone who has not given one yet.
export function offerKey() {
  byId("key-change").hidden = false;
}

function open(refused) {
  const dialog = byId("key-dialog");
  byId("key-why").textContent = refused ? UNKNOWN : usualWords;
  byId("key").value = "";
  if (!dialog.open) dialog.showModal();
  byId("key").focus();
  return new Promise((resolve) => {
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      const key = byId("key").value.trim();
      if (!SENDABLE.test(key)) return void (byId("key-why").textContent = UNSENDABLE);
      sessionStorage.setItem(SLOT, key);
      offerKey();
      return finish(true);
    };
    byId("key-cancel").onclick = () => finish(false);
    dialog.oncancel = () => finish(false);
    function finish(given) {
      dialog.close();
      byId("key").value = "";
      resolve(given);
    }
  });
}

export function setUpKey() {
  const change = byId("key-change");
  usualWords = byId("key-why").textContent;
  change.hidden = storedKey() === null;
  change.addEventListener("click", () => askForKey(false));
}

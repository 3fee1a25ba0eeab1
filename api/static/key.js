// The API key: asked for when the service wants one, kept in this tab's session, sent in a header only.
import { byId } from "./dom.js";

const SLOT = "financellm.key";
let asking = null;

export const storedKey = () => sessionStorage.getItem(SLOT);

// Resolves with whether a key was given; callers that need one at the same time share the question.
export function askForKey(refused) {
  asking ??= open(refused).finally(() => (asking = null));
  return asking;
}

function open(refused) {
  const dialog = byId("key-dialog");
  if (refused) byId("key-why").textContent = "The service does not know this key. Check it and try again.";
  byId("key").value = "";
  if (!dialog.open) dialog.showModal();
  byId("key").focus();
  return new Promise((resolve) => {
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(SLOT, byId("key").value.trim());
      byId("key-change").hidden = false;
      finish(true);
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
  change.hidden = storedKey() === null;
  change.addEventListener("click", () => askForKey(false));
}

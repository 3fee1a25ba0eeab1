// The questions of this tab's session, newest first, so that a reload shows them again.

const SLOT = "financellm.asked";
const MOST = 30;

export function asked() {
  try {
    return JSON.parse(sessionStorage.getItem(SLOT)) ?? [];
  } catch {
    return [];
  }
}

export function remember(entry) {
  const entries = [entry, ...asked()].slice(0, MOST);
  try {
    sessionStorage.setItem(SLOT, JSON.stringify(entries));
  } catch {
    // Long texts can pass the browser's room; the questions alone fit.
    sessionStorage.setItem(SLOT, JSON.stringify(entries.map(({ id, question }) => ({ id, question, context: null }))));
  }
}

export const forget = () => sessionStorage.removeItem(SLOT);

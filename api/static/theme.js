// Light or dark: the system's choice until someone chooses otherwise.
import { byId, fill, icon } from "./dom.js";

const SLOT = "financellm.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const chosen = () => localStorage.getItem(SLOT) ?? (system.matches ? "dark" : "light");

function show() {
  const theme = chosen();
  document.documentElement.dataset.theme = theme;
  const other = theme === "dark" ? "light" : "dark";
  const button = byId("theme");
  fill(button, icon(theme === "dark" ? "sun" : "moon"));
  button.setAttribute("aria-label", `Change to ${other} colours`);
  button.title = `Change to ${other} colours`;
}

export function setUpTheme() {
  byId("theme").addEventListener("click", () => {
    const next = chosen() === "dark" ? "light" : "dark";
    const isSystems = (next === "dark") === system.matches;
    if (isSystems) localStorage.removeItem(SLOT);
    else localStorage.setItem(SLOT, next);
    show();
  });
  system.addEventListener("change", show);
  show();
}

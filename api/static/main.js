// Starts the page and shows the section that the address names.
import { setUpAsk } from "./ask.js";
import { showBatches } from "./batches.js";
import { byId } from "./dom.js";
import { setUpKey } from "./key.js";
import { setUpPulse } from "./overview.js";
import { showReports } from "./reports.js";
import { setUpSource } from "./source.js";
import { setUpTheme } from "./theme.js";

const SECTIONS = { ask: null, reports: showReports, batches: showBatches };
let leave = null;

function show() {
  if (location.hash === "#main") return;
  const [name, ...ids] = location.hash.replace(/^#\/?/, "").split("/");
  const current = name in SECTIONS ? name : "ask";
  for (const section of Object.keys(SECTIONS)) byId(section).hidden = section !== current;
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.hash === `#/${current}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${byId(current).querySelector("h1").textContent} · FinanceLLM`;
  leave?.();
  leave = SECTIONS[current]?.(ids.map(decodeURIComponent)) ?? null;
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
setUpTheme();
setUpKey();
setUpSource();
setUpPulse();
setUpAsk();
addEventListener("hashchange", show);
show();

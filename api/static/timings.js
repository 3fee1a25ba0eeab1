// Where an answer's time went, as one bar with a legend.
import { h } from "./dom.js";
import { count, duration, plural, rate } from "./format.js";

const PARTS = [
  ["queue", "Queue", (timings) => timings.queue_ms],
  ["prefill", "Prefill", (timings) => timings.tokenize_ms + timings.prefill_ms],
  ["decode", "Decode", (timings) => timings.decode_ms],
];

export function timingsBar(timings) {
  const parts = PARTS.map(([name, title, read]) => ({ name, title, ms: read(timings) }));
  const told = parts.map((part) => `${part.title} ${duration(part.ms)}`).join(", ");
  const bar = h("div", { class: "timebar", role: "img", "aria-label": `Time: ${told}` });
  for (const part of parts) {
    const piece = h("span", { class: `piece ${part.name}` });
    piece.style.flexGrow = String(Math.max(part.ms, 0));
    bar.append(piece);
  }
  const legend = parts.map((part) => h("li", {}, h("span", { class: `swatch ${part.name}` }), `${part.title} `, h("b", {}, duration(part.ms))));
  return h("div", { class: "timings" }, bar, h("ul", { class: "legend" }, legend, h("li", { class: "facts" }, facts(timings))));
}

function facts(timings) {
  const cached = timings.cached_prompt_tokens ? ` (${count(timings.cached_prompt_tokens)} cached)` : "";
  return [
    rate(timings.decode_tokens_per_second),
    `${count(timings.prompt_tokens)}${cached} + ${plural(timings.completion_tokens, "token")}`,
    timings.batch_size_mean > 1.05 ? `batch of ${timings.batch_size_mean.toFixed(1)}` : null,
    timings.engine,
  ].filter(Boolean).join(" · ");
}

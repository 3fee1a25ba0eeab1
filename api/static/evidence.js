// What an answer was read from: its pages, what the prompt kept of them, and each prompt that was asked.
import { answerBadge } from "./badge.js";
import { h } from "./dom.js";
import { plural } from "./format.js";

// `pageButton` makes the button of a page that was read; an answer over a text of its own has no pages.
export function evidencePart(kept, pageButton) {
  if (!kept) return null;
  return [pagesLine(kept.pages ?? [], pageButton), keptLine(kept), droppedLine(kept), promptList(kept.prompts ?? [], pageButton)];
}

function pagesLine(pages, pageButton) {
  return pages.length > 0 && h("div", {}, h("h4", {}, "Pages read"), h("div", { class: "links" }, pages.map(pageButton)));
}

function keptLine(kept) {
  const part = (noun, taken, dropped) => (taken || dropped ? `${taken} of ${plural(taken + dropped, noun)}` : null);
  const rows = part("table row", kept.rows_kept ?? 0, kept.rows_dropped ?? 0);
  const sentences = part("sentence", kept.sentences_kept ?? 0, kept.sentences_dropped ?? 0);
  const told = [rows, sentences].filter(Boolean).join(", ");
  return told && h("p", { class: "hint" }, `The model read ${told}.`);
}

function droppedLine(kept) {
  return kept.pages_dropped > 0 && h("p", { class: "hint" }, `${plural(kept.pages_dropped, "further page")} looked fitting and ${kept.pages_dropped === 1 ? "was" : "were"} not read.`);
}

function promptList(prompts, pageButton) {
  if (prompts.length < 2) return null;
  const items = prompts.map((prompt) => h("li", {}, h("div", { class: "links" }, prompt.pages.map(pageButton)), answerBadge(prompt), prompt.stands && h("b", {}, " answered from here")));
  return h("div", {}, h("h4", {}, "Asked in turn"), h("ol", { class: "prompts" }, items));
}

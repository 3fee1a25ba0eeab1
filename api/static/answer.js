// An answer with what stands behind it: marked numbers, the program, citations, what was read.
import { h, icon } from "./dom.js";
import { evidencePart } from "./evidence.js";

// Text with every number that could not be traced marked where it stands; offsets count characters, not UTF-16 units.
export function markedText(text, numbers = []) {
  const characters = Array.from(text);
  const placed = numbers.filter((number) => characters.slice(number.start, number.end).join("") === number.text);
  const pieces = [];
  let at = 0;
  for (const number of placed.sort((a, b) => a.start - b.start)) {
    if (number.start < at) continue;
    pieces.push(characters.slice(at, number.start).join(""), marked(number));
    at = number.end;
  }
  pieces.push(characters.slice(at).join(""));
  const lost = numbers.filter((number) => !placed.includes(number) && !number.verified);
  if (lost.length) pieces.push(h("span", { class: "unplaced" }, icon("warn"), `Unverified: ${lost.map((number) => number.text).join(", ")}`));
  return pieces;
}

function marked(number) {
  if (number.verified) return h("span", { class: "number", title: "Traced to the text" }, number.text);
  const why = number.reason ?? (number.finding ?? "not found in the text").replaceAll("_", " ");
  return h("mark", { class: "number unverified", title: `Unverified: ${why}` }, number.text, h("small", {}, icon("warn"), "unverified"));
}

// `cite` opens a citation; it is left out where nothing can be opened.
export function answerDetails(answer, cite) {
  return h("div", { class: "behind" }, program(answer), doubts(answer), citations(answer.citations ?? [], cite), evidencePart(answer.evidence), retried(answer));
}

function program(answer) {
  if (!answer.program) return null;
  return h("div", { class: "program" }, h("h4", {}, "Computed"), h("code", { class: "formula" }, answer.program), operandList(answer));
}

export function operandList(answer) {
  const operands = answer.operands ?? [];
  return operands.length > 0 && h("ul", { class: "operands" }, operands.map(operandItem));
}

// Why numbers are unverified, in words that need no pointer.
export function doubts(answer) {
  const told = (answer.numbers ?? []).filter((number) => !number.verified && number.reason);
  return told.length > 0 && h("div", {}, h("h4", {}, "Why unverified"), h("ul", { class: "doubts" }, told.map((number) => h("li", {}, `${number.text}: ${number.reason}`))));
}

function operandItem(operand) {
  if (operand.found === false) return h("li", { class: "status poor" }, icon("warn"), h("code", {}, operand.text), "not in the text");
  return h("li", { class: "status good", title: operand.citation?.quote }, icon("check"), h("code", {}, operand.text));
}

export function citations(list, cite) {
  if (!list.length) return null;
  const items = list.map((citation) => {
    const place = citation.page ? `${citation.document}, page ${citation.page}` : citation.document;
    const quote = h("q", {}, citation.quote);
    if (!cite) return h("li", {}, h("cite", {}, place), quote);
    return h("li", {}, h("button", { type: "button", class: "citation", onclick: () => cite(citation) }, icon("page"), h("cite", {}, place), quote));
  });
  return h("div", {}, h("h4", {}, "Sources"), h("ul", { class: "citations" }, items));
}

function retried(answer) {
  return answer.retried ? h("p", { class: "hint" }, "The first line could not be read, so the model was asked again.") : null;
}

// The API's routes, read from /openapi.json.
import { byId, fill, h, showProblem } from "./dom.js";
import { setUpTheme } from "./theme.js";

async function show() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`The description could not be read: ${answer.status}.`);
  const description = await answer.json();
  fill(byId("about"), description.info.description.trim().split(/\n\n+/).map((text) => h("p", { class: "block" }, withCode(text))));
  const groups = new Map(description.tags?.map((tag) => [tag.name, { words: tag.description, routes: [] }]));
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, { words: "", routes: [] });
      groups.get(tag).routes.push(route(description, path, method, operation));
    }
  }
  fill(byId("routes"), [...groups].map(([name, group]) => h("section", { class: "block" }, h("h2", {}, name[0].toUpperCase() + name.slice(1)), h("p", { class: "hint" }, group.words), group.routes)));
}

function route(description, path, method, operation) {
  const body = operation.requestBody?.content;
  return h("article", { class: "route" },
    h("span", { class: "method" }, method.toUpperCase()),
    h("h3", {}, h("code", {}, path), ` ${operation.summary ?? ""}`),
    h("p", {}, withCode(operation.description ?? "")),
    h("details", {}, h("summary", {}, "Parameters and answers"),
      table("Parameters", (operation.parameters ?? []).map((it) => [it.name, it.in, it.description ?? ""])),
      body && fields(description, body),
      table("Answers", Object.entries(operation.responses).map(([status, it]) => [status, Object.keys(it.content ?? {}).join(", "), it.description]))));
}

function fields(description, body) {
  const [media, { schema = {} }] = Object.entries(body)[0];
  const found = resolve(description, schema);
  const rows = Object.entries(found.properties ?? {}).map(([name, it]) => [found.required?.includes(name) ? `${name} (required)` : name, typeOf(it), it.description ?? ""]);
  const example = found.examples?.[0];
  return [table(`Body, ${media}`, rows), example && h("pre", {}, JSON.stringify(example, null, 2))];
}

const resolve = (description, schema) => (schema.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema);

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  return schema.type ?? schema.anyOf?.map(typeOf).join(" or ") ?? "";
}

function table(title, rows) {
  if (!rows.length) return null;
  return [h("h4", {}, title), h("div", { class: "scroll" }, h("table", {}, h("tbody", {}, rows.map(([name, kind, words]) =>
    h("tr", {}, h("th", { scope: "row" }, h("code", {}, name)), h("td", {}, kind), h("td", {}, withCode(words)))))))];
}

// `words` between back quotes become code.
const withCode = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

setUpTheme();
show().catch((error) => showProblem(byId("docs-problem"), error));

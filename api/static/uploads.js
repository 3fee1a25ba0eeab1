// Files on their way to the service, two at a time, each with its progress and, if it was refused, the reason.
import { h, icon } from "./dom.js";
import { upload } from "./http.js";
import { meter } from "./overview.js";

const AT_ONCE = 2;
const queues = new Map();
const waiting = [];
let sending = 0;

// The uploads to a path: their list, and `onSent`, which hears of each file sent. They go on while other parts are looked at.
export function uploadsTo(path) {
  if (!queues.has(path)) queues.set(path, newQueue(path));
  return queues.get(path);
}

function newQueue(path) {
  const queue = { path, element: h("ul", { class: "uploads", "aria-label": "Uploads" }), onSent: null, add };
  function add(files) {
    for (const { name, file } of files) {
      const item = { queue, name, file, line: h("li") };
      queue.element.append(item.line);
      if (file === null) tell(item, "It could not be read.");
      else start(item);
    }
  }
  return queue;
}

function start(item) {
  item.line.replaceChildren(`${item.name}: waiting`);
  waiting.push(item);
  next();
}

function next() {
  while (sending < AT_ONCE && waiting.length) {
    sending += 1;
    send(waiting.shift()).finally(() => {
      sending -= 1;
      next();
    });
  }
}

async function send(item) {
  const form = new FormData();
  form.append("file", item.file, item.name);
  const show = (share) => item.line.replaceChildren(`${item.name} `, meter([[share * 100, ""]], `${Math.round(share * 100)} % sent`));
  show(0);
  try {
    await upload(item.queue.path, form, show);
    item.line.remove();
    await item.queue.onSent?.();
  } catch (error) {
    tell(item, error.message, h("button", { type: "button", class: "quiet", onclick: () => start(item) }, "Try again"));
  }
}

function tell({ name, line }, why, ...actions) {
  line.replaceChildren(h("span", { class: "status poor" }, icon("warn"), name), h("span", { class: "why", role: "alert" }, why), ...actions);
}

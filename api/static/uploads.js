// Files on their way to the service, two at a time, each with its progress and, if it was refused, the reason.
import { h, icon } from "./dom.js";
import { upload } from "./http.js";
import { meter } from "./overview.js";

const AT_ONCE = 2;

export function uploads(path, onSent) {
  const list = h("ul", { class: "uploads", "aria-label": "Uploads" });
  const waiting = [];
  let sending = 0;

  function next() {
    while (sending < AT_ONCE && waiting.length) {
      sending += 1;
      send(waiting.shift()).finally(() => {
        sending -= 1;
        next();
      });
    }
  }

  async function send({ file, line }) {
    const form = new FormData();
    form.append("file", file, file.name);
    const show = (share) => line.replaceChildren(`${file.name} `, meter([[share * 100, ""]], `${Math.round(share * 100)} % sent`));
    show(0);
    try {
      await upload(path, form, show);
      line.remove();
      await onSent();
    } catch (error) {
      const again = h("button", { type: "button", class: "quiet", onclick: () => start(file, line) }, "Try again");
      line.replaceChildren(h("span", { class: "status poor" }, icon("warn"), file.name), h("span", { class: "why", role: "alert" }, error.message), again);
    }
  }

  function start(file, line) {
    line.replaceChildren(`${file.name}: waiting`);
    waiting.push({ file, line });
    next();
  }

  function add(files) {
    for (const file of files) {
      const line = h("li");
      list.append(line);
      start(file, line);
    }
  }
  return { element: list, add };
}

// Lists that are drawn again and again: elements that stay keep their focus and what is selected in them.

// Returns a function that draws items with ids into a parent; `make` makes the element of an item that is new or changed.
export function keyed(make) {
  let drawn = new Map();
  return (parent, items) => {
    const focused = parent.contains(document.activeElement) ? handle(document.activeElement) : null;
    drawn = new Map(items.map((item) => [item.id, entryOf(item, drawn.get(item.id), make)]));
    arrange(parent, [...drawn.values()].map((entry) => entry.element));
    if (focused !== null && !parent.contains(document.activeElement)) focusOn(parent, focused);
  };
}

// Makes `elements` the children of `parent`; those that stay are not taken out and put back.
export function arrange(parent, elements) {
  const focused = document.activeElement;
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const element of elements) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function entryOf(item, before, make) {
  const text = JSON.stringify(item);
  return before?.text === text ? before : { text, element: make(item) };
}

const handle = (control) => control.getAttribute("aria-label") ?? control.getAttribute("href") ?? control.textContent;

function focusOn(parent, wanted) {
  const controls = [...parent.querySelectorAll("a, button")];
  controls.find((control) => handle(control) === wanted)?.focus({ preventScroll: true });
}

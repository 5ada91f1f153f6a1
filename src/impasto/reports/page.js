"use strict";
// Interaction for reports: sort, filter, enlarge pictures, lay one over another, scrub through steps, copy a recipe.
// All content is in the HTML already; without JavaScript only the interaction is missing.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// --- the table ---------------------------------------------------------------------------------------------------

const table = document.getElementById("table");
const rows = () => (table ? [...table.tBodies[0].rows] : []);
const heads = table ? [...table.tHead.rows[0].cells] : [];
const card = (row) => document.getElementById(row.dataset.run);
const select = document.getElementById("order");

function order(column, direction) {
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const sorted = rows().sort((first, second) => {
    const [one, other] = [value(first), value(second)];
    if (one === "" || other === "") return (one === "") - (other === ""); // empty cells are last
    return direction * (one - other || one.localeCompare(other, undefined, { numeric: true }));
  });
  table.tBodies[0].append(...sorted);
  for (const each of sorted.map(card)) each.parentElement.append(each);
  const groups = new Set(sorted.map((row) => card(row).closest(".pairing")));
  document.getElementById("pictures").append(...groups); // in the order of each group's first run
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  if (select) select.value = column;
}

heads.forEach((head, column) => {
  const name = head.textContent;
  const button = make("button", { type: "button" }, name);
  head.replaceChildren(button);
  button.addEventListener("click", () => order(column, head.getAttribute("aria-sort") === "ascending" ? -1 : 1));
  select?.append(make("option", { value: column }, name));
});

// The hint under a heading is for tables that are wider than their place.
for (const hint of all(".more")) {
  const place = hint.nextElementSibling;
  const measure = () => { hint.style.display = place.scrollWidth > place.clientWidth + 1 ? "block" : "none"; };
  new ResizeObserver(measure).observe(place);
}

const filter = document.getElementById("filter");
const found = document.getElementById("found");

function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows()) {
    const cells = [...row.cells].map((cell, at) => `${heads[at].title || heads[at].textContent}=${cell.textContent}`);
    const text = [row.dataset.words, ...cells].join(" ").toLowerCase();
    const hidden = !words.every((word) => text.includes(word));
    row.hidden = card(row).hidden = hidden;
    for (const line of all(`[data-run="${row.dataset.run}"]`)) if (line !== row) line.classList.toggle("out", hidden);
    shown += !hidden;
  }
  for (const group of all(".pairing")) group.hidden = all("article", group).every((each) => each.hidden);
  found.textContent = words.length ? `${shown} of ${rows().length} runs` : "";
}

if (filter) {
  filter.addEventListener("input", sift);
  select.prepend(make("option", { value: "", hidden: "" }, "as given"));
  select.value = "";
  select.addEventListener("change", () => order(Number(select.value), 1));
  document.getElementById("tools").hidden = false;
}

// Highlight the curve of the run under the pointer.
for (const place of [...rows(), ...all("article")]) {
  const lines = all(`path[data-run="${place.dataset.run ?? place.id}"]`);
  const heat = (hot) => () => lines.forEach((line) => line.classList.toggle("hot", hot));
  place.addEventListener("pointerenter", heat(true));
  place.addEventListener("pointerleave", heat(false));
  place.addEventListener("focusin", heat(true));
  place.addEventListener("focusout", heat(false));
}

// --- two pictures, one over the other ----------------------------------------------------------------------------

// Lays `front` over the picture in `figure`, visible from the left edge to a line. The line is dragged by its handle,
// or anywhere on the picture where `whole`; by keyboard it is a slider.
function wipe(figure, front, label, at, whole = false) {
  const range = make("input", { type: "range", min: 0, max: 100, value: at, class: "wipe", "aria-label": label });
  const handle = make("div", { class: "handle" });
  const place = () => {
    figure.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${front.alt}`);
  };
  const drag = (event) => {
    const { left, width } = figure.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - left)) / width);
    place();
  };
  const grip = whole ? figure : handle;
  grip.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    if (whole) drag(event);
  });
  grip.addEventListener("pointermove", (event) => grip.hasPointerCapture(event.pointerId) && drag(event));
  range.addEventListener("input", place);
  front.className = "front";
  figure.classList.add("wiping");
  figure.classList.toggle("whole", whole);
  figure.append(front, make("div", { class: "line" }), range, handle);
  place();
  return place;
}

for (const figure of all("figure[data-before]")) {
  const before = document.getElementById(figure.dataset.before);
  const front = make("img", { src: before.src, alt: "content" });
  wipe(figure, front, `${figure.dataset.name}: how much of the content to show`, 0);
}

for (const duel of all(".duel")) {
  const [front, back] = all("img", duel);
  if (!back) continue;
  const stage = make("div", { class: "stage" }, back);
  duel.prepend(stage);
  duel.classList.add("over");
  wipe(stage, front, "How much of the left picture to show", 50, true);
}

const two = document.getElementById("two");
const candidates = all("img[data-title]");
if (two && candidates.length > 1) {
  const figure = two.querySelector("figure");
  const [left, right] = all("select", two);
  const back = make("img", { alt: "" });
  const front = make("img", { alt: "" });
  figure.append(back);
  for (const select of [left, right]) {
    select.append(...candidates.map((image, at) => make("option", { value: at }, image.dataset.title)));
  }
  const place = wipe(figure, front, "How much of the left picture to show", 50, true);
  const choose = () => {
    for (const [image, select] of [[front, left], [back, right]]) {
      image.src = candidates[select.value].src;
      image.alt = candidates[select.value].dataset.title;
    }
    place();
  };
  const results = candidates.map((image, at) => at).filter((at) => candidates[at].closest("article"));
  [left.value, right.value] = results.length > 1 ? results : [0, 1];
  two.addEventListener("change", choose);
  choose();
  two.hidden = false;
}

// --- steps -------------------------------------------------------------------------------------------------------

for (const strip of all(".steps")) {
  const image = strip.closest("article").querySelector(":scope > figure > img");
  if (!image) continue;
  const steps = all("figure", strip).map((each) => [each.querySelector("img").src, each.querySelector("img").alt]);
  steps.push([image.src, "the result"]);
  const last = steps.length - 1;
  const said = make("output", {}, steps[last][1]);
  const range = make("input", { type: "range", min: 0, max: last, value: last, "aria-label": "Step to show above" });
  range.addEventListener("input", () => {
    [image.src, said.textContent] = steps[range.value];
    range.setAttribute("aria-valuetext", said.textContent);
  });
  strip.before(make("div", { class: "scrub" }, range, said));
}

// --- full window -------------------------------------------------------------------------------------------------

const zoom = make("dialog", { class: "zoom", "aria-label": "Picture in the full window" });
const large = make("img", { alt: "" });
const caption = make("p", { "aria-live": "polite" });
let album = []; // the pictures that the arrows go through
let page = 0;

const turn = (by) => {
  page = (page + by + album.length) % album.length;
  const image = album[page];
  large.src = (document.getElementById(image.dataset.full) ?? image).src;
  large.alt = image.alt;
  caption.textContent = `${image.dataset.name ?? image.alt} (${page + 1} of ${album.length})`;
};

function open(image) {
  const strip = image.closest(".steps");
  album = all("img[role=button]", strip ?? document).filter((each) => strip || !each.closest(".steps"));
  album = album.filter((each) => each.checkVisibility?.() ?? true);
  page = album.indexOf(image);
  turn(0);
  zoom.showModal();
}

for (const image of all(".inputs img, article img:not(.front)")) {
  for (const [name, value] of [["role", "button"], ["tabindex", 0], ["aria-haspopup", "dialog"]]) {
    image.setAttribute(name, value);
  }
  image.addEventListener("click", () => open(image));
  image.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open(image);
  });
}

const buttons = [["\u2190", "Previous", () => turn(-1)], ["\u2192", "Next", () => turn(1)], ["\u00d7", "Close", () => zoom.close()]];
zoom.append(large, make("footer", {}, caption, ...buttons.map(([sign, name, act]) => {
  const button = make("button", { type: "button", "aria-label": name, title: name }, sign);
  button.addEventListener("click", act);
  return button;
})));
zoom.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) turn(by);
});
large.addEventListener("click", () => zoom.close());
document.body.append(zoom);

// --- recipes -----------------------------------------------------------------------------------------------------

for (const recipe of all("pre")) {
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(recipe.textContent);
      button.textContent = "Copied";
    } catch { // the clipboard is not available from a file: select the text for manual copying
      getSelection().selectAllChildren(recipe);
      button.textContent = "Selected: copy it with the keyboard";
    }
  });
  recipe.before(make("p", {}, button));
}

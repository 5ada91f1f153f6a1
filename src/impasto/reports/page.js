"use strict";
// Interaction for reports: sort, filter, compare two pictures with a slider, scrub through the steps, copy a recipe.
// All content is in the HTML already; without JavaScript only the interaction is missing.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// --- the table ---------------------------------------------------------------------------------------------------

const body = document.querySelector("tbody");
const heads = all("thead th");
const card = (row) => document.getElementById(row.dataset.run);

function order(column, direction) {
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const rows = [...body.rows].sort((first, second) => {
    const [one, other] = [value(first), value(second)];
    if (one === "" || other === "") return (one === "") - (other === ""); // empty cells are last
    return direction * (one - other || one.localeCompare(other, undefined, { numeric: true }));
  });
  body.append(...rows);
  document.querySelector(".grid").append(...rows.map(card));
}

heads.forEach((head, column) => {
  const button = make("button", { type: "button" }, ...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    order(column, up ? 1 : -1);
  });
});

const filter = document.getElementById("filter");
const found = document.getElementById("found");

function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of body.rows) {
    const text = [...row.cells].map((cell, at) => `${heads[at].textContent}=${cell.textContent}`).join(" ").toLowerCase();
    const hidden = !words.every((word) => text.includes(word));
    row.hidden = card(row).hidden = hidden;
    for (const line of all(`[data-run="${row.dataset.run}"]`)) line.classList.toggle("out", hidden);
    shown += !hidden;
  }
  found.textContent = words.length ? `${shown} of ${body.rows.length} runs` : "";
}
filter.addEventListener("input", sift);
document.getElementById("tools").hidden = false;

// Highlight the curve of the run under the pointer.
for (const place of [...body.rows, ...all("article")]) {
  const lines = all(`path[data-run="${place.dataset.run ?? place.id}"]`);
  const heat = (hot) => () => lines.forEach((line) => line.classList.toggle("hot", hot));
  place.addEventListener("pointerenter", heat(true));
  place.addEventListener("pointerleave", heat(false));
  place.addEventListener("focusin", heat(true));
  place.addEventListener("focusout", heat(false));
}

// --- two pictures, one over the other ----------------------------------------------------------------------------

// Comparison slider: overlays `front` on the picture in `figure`, visible from the left edge to the slider.
function wipe(figure, front, label, at) {
  const range = make("input", { type: "range", min: 0, max: 100, value: at, class: "wipe", "aria-label": label });
  const place = () => {
    figure.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${front.alt}`);
  };
  range.addEventListener("input", place);
  front.className = "front";
  figure.classList.add("wiping");
  figure.append(front, range, make("div", { class: "handle" }));
  place();
  return place;
}

for (const figure of all("figure[data-before]")) {
  const before = document.getElementById(figure.dataset.before);
  const front = make("img", { src: before.src, alt: "content" });
  wipe(figure, front, `${figure.dataset.name}: how much of the content to show`, 0);
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
  const place = wipe(figure, front, "How much of the left picture to show", 50);
  const choose = () => {
    for (const [image, select] of [[front, left], [back, right]]) {
      image.src = candidates[select.value].src;
      image.alt = candidates[select.value].dataset.title;
    }
    place();
  };
  right.value = 1;
  two.addEventListener("change", choose);
  choose();
  two.hidden = false;
}

// --- steps -------------------------------------------------------------------------------------------------------

for (const strip of all(".steps")) {
  const image = strip.closest("article").querySelector("figure > img");
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

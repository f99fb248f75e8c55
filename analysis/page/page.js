// Draws the figures: names of CSS variables become their colours, trial numbers become descriptions of those trials.
"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const figures = read("figures"), trials = read("trials");
const boxes = [...document.querySelectorAll(".plot")];
const dark = matchMedia("(prefers-color-scheme: dark)");
const phone = () => matchMedia("(max-width: 640px), (pointer: coarse)").matches;
const descriptions = Object.fromEntries(Object.entries(trials).map(([trial, text]) => [trial, escapeText(text).replaceAll("\n", "<br>")]));

function escapeText(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// Copies a part of a figure with the name of every colour replaced by its value; no other strings are replaced.
function replaceColors(part, styles, key = "") {
  if (typeof part === "string") return /color(scale)?$/.test(key) && part.startsWith("--") ? styles.getPropertyValue(part).trim() : part;
  if (Array.isArray(part)) return typeof part[0] === "number" && typeof part[1] !== "string" ? part : part.map((item) => replaceColors(item, styles, key));
  if (part === null || typeof part !== "object") return part;
  return Object.fromEntries(Object.entries(part).map(([name, item]) => [name, replaceColors(item, styles, name)]));
}

function draw(box) {
  const figure = replaceColors(figures[box.dataset.figure], getComputedStyle(document.documentElement));
  const hidden = hiddenNames(box);
  for (const trace of figure.data) {
    if (trace.customdata) trace.text = trace.customdata.map((trial) => descriptions[trial] ?? "");
    if (hidden.has(trace.name) || hidden.has(trace.legendgroup)) trace.visible = false;
  }
  figure.layout.dragmode = phone() ? false : "zoom";
  if (document.documentElement.classList.contains("paper")) figure.layout.width = box.clientWidth;
  figure.layout.font.family = figure.layout.hoverlabel.font.family = getComputedStyle(document.body).fontFamily;
  Plotly.react(box, figure.data, figure.layout, {
    responsive: true, displaylogo: false, displayModeBar: !phone() && !box.closest(".cell"),
    modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]], toImageButtonOptions: { format: "svg" },
  });
  // With a view box of its own size, a drawing can be made to fit another width, as paper needs it.
  for (const svg of box.querySelectorAll("svg.main-svg")) svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
}

function hiddenNames(box) {
  const buttons = box.closest("figure").querySelectorAll('.legend button[aria-pressed="false"]');
  return new Set([...buttons].map((button) => button.dataset.name));
}

function drawAll() {
  boxes.forEach(draw);
}

// Draws one figure after the other, so that the page can be read meanwhile.
function drawInTurn(index = 0) {
  if (index >= boxes.length) return document.documentElement.classList.add("drawn");
  draw(boxes[index]);
  setTimeout(() => drawInTurn(index + 1));
}

// Draws for paper: light, and as wide as the page, whatever the screen is; and back for the screen.
function setPaper(paper) {
  document.documentElement.classList.toggle("paper", paper);
  for (const box of boxes) {
    const wide = box.closest(".cell") ? 215 : 640;
    box.style.width = paper ? `${wide}px` : "";
    if (!paper) Plotly.purge(box); // or it would keep paper's width
  }
  drawAll();
}

document.querySelectorAll(".legend button").forEach((button) => button.addEventListener("click", () => {
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  button.closest("figure").querySelectorAll(".plot").forEach(draw);
}));
document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code); // a page opened as a file may not write; then it is ready to be copied
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}));
document.querySelectorAll(".zoom").forEach((button) => button.addEventListener("click", () => {
  const large = button.parentElement.classList.toggle("large");
  button.setAttribute("aria-pressed", String(large));
  button.textContent = large ? "Smaller" : "Larger";
}));
const links = Object.fromEntries([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link.parentElement]));
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) {
    Object.values(links).forEach((item) => item.classList.remove("current"));
    links[entry.target.id]?.classList.add("current");
  }
}, { rootMargin: "-10% 0px -75% 0px" });
document.querySelectorAll("section").forEach((section) => observer.observe(section));
dark.addEventListener("change", drawAll);
addEventListener("beforeprint", () => setPaper(true));
addEventListener("afterprint", () => setPaper(false));
drawInTurn();

"use strict";
// Filters and sorts the texts, and reads their scores aloud. Nothing that it shows is ever taken for HTML.
(() => {
  const by = (id) => document.getElementById(id);
  const list = by("texts"), form = by("filter"), said = by("said"), summary = by("summary");
  const levels = ["unclear", "low", "medium", "high"];
  if (summary) list.before(summary);
  by("down")?.remove();

  const texts = Array.from(list.children, (node, place) => {
    const { label, sure, trust, agree } = node.dataset;
    return { node, place, label, sure: Number(sure), trust: levels.indexOf(trust), agree: Number(agree ?? 1) };
  });
  const words = (text) => (text.words ??= text.node.querySelector(".text").textContent.toLowerCase());

  const orders = {
    file: () => 0,
    surest: (a, b) => b.sure - a.sure,
    unsure: (a, b) => a.sure - b.sure,
    doubted: (a, b) => a.trust - b.trust,
    trusted: (a, b) => b.trust - a.trust,
    agree: (a, b) => a.agree - b.agree,
  };
  let order = "file";

  function sort() {
    if (form.sort.value === order) return;
    order = form.sort.value;
    const sorted = texts.toSorted((a, b) => orders[order](a, b) || a.place - b.place);
    const all = document.createDocumentFragment();
    for (const text of sorted) all.append(text.node);
    list.append(all);
  }

  // Percentages are compared as they are shown, to a tenth.
  function filter() {
    const label = form.label.value, level = form.trust?.value ?? "", word = form.word.value.trim().toLowerCase();
    const low = form.low.value === "" ? 0 : form.low.valueAsNumber, high = form.high.value === "" ? 100 : form.high.valueAsNumber;
    let shown = 0;
    for (const text of texts) {
      const sure = Math.round(text.sure * 1000) / 10;
      const fits = (!label || text.label === label) && (!level || levels[text.trust] === level)
        && low <= sure && sure <= high && (!word || words(text).includes(word));
      if (text.node.hidden === fits) text.node.hidden = !fits;
      shown += fits;
    }
    by("count").value = `${shown.toLocaleString("en")} of ${texts.length.toLocaleString("en")} texts`;
  }

  if (form) {
    const known = new Set(Array.from(form.label.options, (option) => option.value));
    for (const { label } of texts) {
      if (!known.has(label)) form.label.add(new Option(label));
      known.add(label);
    }
    const update = () => { sort(); filter(); };
    form.addEventListener("input", update);
    form.addEventListener("reset", () => setTimeout(update));
    form.addEventListener("submit", (event) => event.preventDefault());
    summary?.addEventListener("click", ({ target }) => {
      if (target.matches("button")) {
        form.word.value = form.word.value === target.dataset.word ? "" : target.dataset.word;
        update();
        form.word.focus();
      }
    });
    update();
    form.hidden = texts.length < 2;
  }

  // Arrow keys go from score to score in the text that has the focus.
  let at = null;
  function point(token) {
    at?.classList.remove("at");
    at = token;
    at?.classList.add("at");
    said.value = at ? `${at.textContent.trim()} ${at.dataset.s}` : "";
  }
  for (const { node } of texts) {
    for (const text of node.querySelectorAll(".text")) if (text.firstElementChild) text.tabIndex = 0;
  }
  list.addEventListener("focusin", ({ target }) => {
    point(null);
    if (target.matches(".text")) said.value = "arrow keys: from score to score";
  });
  list.addEventListener("focusout", () => point(null));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches(".text")) return;
    const tokens = event.target.querySelectorAll("[data-s]");
    const next = Array.prototype.indexOf.call(tokens, at) + step;
    point(tokens[Math.max(0, Math.min(next, tokens.length - 1))] ?? null);
    event.preventDefault();
  });
})();

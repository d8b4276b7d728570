// Lays every step of the form out at once, shows and hides questions as answers come, and keeps answers. Without it the form goes step by step.
"use strict";

const SAVE_AFTER = 800; // milliseconds without a change
const form = document.querySelector("form");
const all = (selector, within = form) => [...within.querySelectorAll(selector)];

// Every step, in one form with one button.
all("template").forEach((template) => template.replaceWith(template.content));
form.elements.step.value = "all";
all(".back, .end").forEach((element) => element.remove());
const submit = form.querySelector(".primary");
submit.textContent = submit.dataset.submit;

// Questions come and go. What is hidden is disabled too, so that it is not sent.
function isPicked(question, option) {
  const place = form.elements[`q${question}.place.${option}`];
  if (place) return place.value !== "";
  const controls = all(`[name="q${question}"]`);
  return controls.some((control) => control.value === option && (control.checked || control.tagName === "SELECT"));
}

function branch() {
  for (const element of all("[data-depends]")) {
    const { depends, option } = element.dataset;
    const source = document.getElementById(`question-${depends}`);
    element.hidden = !source || source.hidden || !isPicked(depends, option);
    element.disabled = element.hidden;
  }
  // The text beside an "other" option of a list is there while that option is picked.
  for (const text of all("fieldset > select ~ .other")) {
    text.hidden = text.parentElement.querySelector("select").value !== text.name.split(".").pop();
  }
}

function isAnswered(question) {
  return all("input:not(.other), select, textarea", question).some((control) =>
    control.type === "radio" || control.type === "checkbox" ? control.checked : control.value.trim() !== "");
}

function progress() {
  const questions = all("[data-question]").filter((question) => !question.hidden);
  const answered = questions.filter(isAnswered).length;
  const text = document.getElementById("progress-text");
  text.textContent = text.dataset.answered.replace("{all}", questions.length).replace("{answered}", answered);
  const bar = document.querySelector("progress");
  bar.max = questions.length || 1;
  bar.value = answered;
}

// An option that excludes the others, and the text beside an "other" option.
function settle(control) {
  if (control.matches(".other")) {
    const option = document.getElementById(control.dataset.of);
    if (option && control.value.trim() !== "") option.checked = true;
  }
  if (control.type === "checkbox" && control.checked && /^q\d+$/.test(control.name)) {
    const excludes = control.hasAttribute("data-exclusive");
    for (const other of all(`[name="${control.name}"]`)) {
      if (other !== control && (excludes || other.hasAttribute("data-exclusive"))) other.checked = false;
    }
  }
}

// A ranking: places stay different, and options stand in their order.
function rank(list) {
  const items = all("li", list);
  const select = (item) => item.querySelector("select");
  const most = select(items[0]).options.length - 1;
  const ordered = () => items.filter((item) => select(item).value).sort((one, other) => select(one).value - select(other).value);

  function arrange(order) {
    const kept = order.slice(0, most);
    items.forEach((item) => { select(item).value = kept.includes(item) ? kept.indexOf(item) + 1 : ""; });
    list.append(...kept, ...items.filter((item) => !kept.includes(item)));
  }

  function move(item, by) {
    const order = ordered();
    const from = order.indexOf(item);
    if (from < 0) {
      if (by < 0) order.push(item);
    } else if (from + by >= order.length) {
      order.splice(from, 1);
    } else {
      order.splice(from, 1);
      order.splice(Math.max(from + by, 0), 0, item);
    }
    arrange(order);
  }

  for (const item of items) {
    const name = item.querySelector("label").textContent.trim();
    for (const [sign, by, label] of [["▲", -1, form.dataset.up], ["▼", 1, form.dataset.down]]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: sign });
      button.setAttribute("aria-label", `${name}: ${label}`);
      button.addEventListener("click", () => {
        move(item, by);
        button.focus();
        changed();
      });
      item.append(button);
    }
    select(item).addEventListener("change", () => {
      const place = Number(select(item).value);
      const others = ordered().filter((other) => other !== item);
      if (place) others.splice(place - 1, 0, item);
      arrange(others);
      select(item).focus();
    });
  }
  arrange(ordered());
}

// Answers are kept a moment after the last change, and when the page is left.
let timer = 0;
let sending = null;
let isSubmitted = false;
const body = () => {
  const fields = new URLSearchParams(new FormData(form));
  fields.set("go", "save");
  return fields;
};

async function save() {
  timer = 0;
  sending?.abort();
  sending = new AbortController();
  try {
    const answer = await fetch(form.action, { method: "POST", body: body(), signal: sending.signal });
    form.querySelector(".saved").hidden = !answer.ok;
  } catch {
    // The next change tries again; a submission sends everything anyway.
  }
}

function changed() {
  branch();
  progress();
  form.querySelector(".saved").hidden = true;
  clearTimeout(timer);
  timer = setTimeout(save, SAVE_AFTER);
}

form.addEventListener("input", (event) => {
  settle(event.target);
  changed();
});
form.addEventListener("submit", (event) => {
  if (isSubmitted) event.preventDefault();
  isSubmitted = true;
  clearTimeout(timer);
  timer = 0;
  sending?.abort();
});
addEventListener("pagehide", () => {
  if (timer) navigator.sendBeacon(form.action, body());
});
addEventListener("pageshow", () => { isSubmitted = false; });

all(".ranking").forEach(rank);
branch();
progress();
document.getElementById("problems")?.focus();

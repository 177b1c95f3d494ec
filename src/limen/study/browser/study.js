"use strict";
(() => {
const study = window.STUDY;
const text = document.getElementById("text"), stage = document.getElementById("stage");
const CHOICES = study.task === "same-different" ? [["same", "s"], ["different", "d"]] : [["left", "arrowleft"], ["right", "arrowright"]];
const SHOWN_KEYS = { arrowleft: "←", arrowright: "→" };
const GAP = 24, BELOW = 140, PAUSE = 500;

// What a browser keeps may be forbidden, or full: answers are then in this page alone, and can be saved all the same.
const store = {
  get: (name) => { try { return JSON.parse(localStorage.getItem(name)); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* as above */ } },
  remove: (name) => { try { localStorage.removeItem(name); } catch { /* as above */ } },
};

const part = (id) => document.getElementById(id).content.cloneNode(true);
const word = (id) => document.getElementById(`word-${id}`).content.textContent.trim();

function button(label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", action);
  return made;
}

// Shows a text with buttons, by the names of their words; gives the name of the one that was pressed.
function ask(id, names, field) {
  return new Promise((resolve) => {
    stage.hidden = true;
    text.hidden = false;
    text.replaceChildren(part(id));
    if (field) text.append(field);
    for (const name of names) {
      const made = button(word(name), () => resolve(name));
      made.dataset.name = name;
      text.append(made);
    }
    scrollTo(0, 0);
  });
}

// Each observer's trials are fixed beforehand; a name that is no number falls on one of the lists.
function scheduleOf(observer) {
  const count = study.schedules.length, number = Number(observer);
  if (/^[0-9]{1,9}$/.test(observer) && number >= 1) return (number - 1) % count;
  let hash = 0x811c9dc5;
  for (const unit of new TextEncoder().encode(observer)) hash = Math.imul(hash ^ unit, 0x01000193) >>> 0;
  return hash % count;
}

const fits = () => {
  const scale = study.zoom / devicePixelRatio, rows = study.task === "match" ? 2 : 1;
  return 2 * study.width * scale + GAP <= innerWidth && rows * (study.height * scale + GAP) + BELOW <= innerHeight;
};

class Pair {
  static info = {
    name: "limen-pair",
    version: "1",
    parameters: { trial: { type: jsPsychModule.ParameterType.OBJECT, default: undefined } },
    data: { answer: { type: jsPsychModule.ParameterType.STRING } },
  };

  constructor(jsPsych) { this.jsPsych = jsPsych; }

  trial(element, { trial }) {
    const [left, right, above] = trial.pictures;
    const row = (name, numbers) => {
      const made = document.createElement("div");
      made.className = `${name} unseen`;
      for (const number of numbers) made.append(framed(study.pictures[number]));
      return made;
    };
    const rows = [...(above === undefined ? [] : [row("above", [above])]), row("pair", [left, right])];
    const answers = document.createElement("div");
    answers.className = "answers unseen";
    element.replaceChildren(...rows, answers);

    let start = 0, shown = null, away = false, done = false;
    const leave = () => { away ||= document.hidden; };
    document.addEventListener("visibilitychange", leave);
    const hide = () => {
      shown = Math.round(performance.now() - start);
      for (const each of rows) after(each);
    };
    const finish = (answer) => {
      if (done) return;
      done = true;
      document.removeEventListener("visibilitychange", leave);
      this.jsPsych.pluginAPI.cancelAllKeyboardResponses();
      const ms = Math.round(performance.now() - start);
      this.jsPsych.finishTrial({ answer, ms, shown: shown ?? ms, away });
    };
    for (const [name, key] of CHOICES) {
      const made = button(word(name), () => finish(name)), hint = document.createElement("kbd");
      hint.textContent = SHOWN_KEYS[key] ?? key.toUpperCase();
      made.dataset.name = name;
      made.append(hint);
      answers.append(made);
    }
    const show = () => {
      for (const image of element.querySelectorAll("img")) sized(image, image.naturalWidth, image.naturalHeight);
      for (const each of [...rows, answers]) each.classList.remove("unseen");
      // Time counts from the frame after the one that the pictures are drawn in.
      requestAnimationFrame(() => requestAnimationFrame(() => {
        start = performance.now();
        if (study.view && study.after !== "stay") this.jsPsych.pluginAPI.setTimeout(hide, study.view);
        this.jsPsych.pluginAPI.getKeyboardResponse({
          callback_function: ({ key }) => finish(CHOICES.find(([, each]) => each === key.toLowerCase())[0]),
          valid_responses: CHOICES.map(([, key]) => key),
          persist: false,
        });
      }));
    };
    const images = [...element.querySelectorAll("img")];
    Promise.all(images.map((image) => image.decode())).then(() => setTimeout(show, PAUSE), () => ask("failed", []));
  }
}

function framed(source) {
  const frame = document.createElement("div"), image = document.createElement("img");
  image.src = source;
  image.alt = "";
  image.draggable = false;
  frame.append(image);
  return frame;
}

// A pixel of a picture is so many pixels of the screen, whatever a pixel of style sheets is.
function sized(element, width, height) {
  element.style.width = `${width * study.zoom / devicePixelRatio}px`;
  element.style.height = `${height * study.zoom / devicePixelRatio}px`;
}

function after(row) {
  if (study.after === "blank") row.classList.add("unseen");
  if (study.after !== "mask") return;
  for (const image of row.querySelectorAll("img")) {
    const noise = document.createElement("canvas");
    noise.width = image.naturalWidth;
    noise.height = image.naturalHeight;
    sized(noise, noise.width, noise.height);
    const context = noise.getContext("2d"), block = 2, pixels = context.createImageData(noise.width, noise.height);
    for (let y = 0; y < noise.height; y += block) for (let x = 0; x < noise.width; x += block) {
      const colour = [0, 1, 2].map(() => Math.random() * 256);
      for (let j = y; j < Math.min(y + block, noise.height); j++) for (let i = x; i < Math.min(x + block, noise.width); i++) {
        pixels.data.set([...colour, 255], 4 * (j * noise.width + i));
      }
    }
    context.putImageData(pixels, 0, 0);
    image.replaceWith(noise);
  }
}

async function agreed() {
  const field = document.createElement("label"), input = document.createElement("input");
  field.append(word("observer"), input);
  input.value = new URLSearchParams(location.search).get("observer") ?? "";
  input.maxLength = 100;
  input.autocomplete = "off";
  const answer = ask("consent", ["agree", "decline"], field);
  const agree = text.querySelector("[data-name=agree]");
  const check = () => { agree.disabled = !input.value.trim(); };
  input.addEventListener("input", check);
  check();
  return (await answer) === "agree" ? input.value.trim() : null;
}

function fresh(observer) {
  return {
    format: 1,
    study: study.study,
    observer,
    schedule: scheduleOf(observer),
    began: new Date().toISOString(),
    ended: null,
    screen: { width: screen.width, height: screen.height, ratio: devicePixelRatio, window_width: innerWidth, window_height: innerHeight },
    answers: [],
  };
}

async function shownTo(record, name) {
  const trials = study.schedules[record.schedule];
  if (record.answers.length >= trials.length) return;
  await ask("instructions", ["go"]);
  while (!fits()) await ask("small", ["go"]);
  text.hidden = true;
  stage.hidden = false;
  const jsPsych = initJsPsych({ display_element: "stage", override_safe_mode: true });
  const left = trials.map((pictures, trial) => ({ pictures, trial })).slice(record.answers.length);
  const used = [...new Set(left.flatMap(({ pictures }) => pictures))];
  const failed = part("failed").textContent;
  await jsPsych.run([
    { type: jsPsychPreload, images: used.map((each) => study.pictures[each]), error_message: failed },
    ...left.map((trial) => ({
      type: Pair,
      trial,
      on_finish: ({ answer, ms, shown, away }) => {
        const [first, second] = trial.pictures;
        record.answers.push({ trial: trial.trial, left: first, right: second, answer, ms, shown, away });
        store.set(name, record);
      },
    })),
  ]);
}

async function sent(record) {
  if (!study.post) return false;
  try {
    // Plain text is sent without asking first, which a simple address need not answer.
    const headers = { "Content-Type": "text/plain;charset=UTF-8" };
    const reply = await fetch(study.post, { method: "POST", headers, body: JSON.stringify(record), credentials: "omit" });
    return reply.ok;
  } catch {
    return false;
  }
}

function save(record) {
  const link = document.createElement("a"), slug = record.observer.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 40);
  link.href = URL.createObjectURL(new Blob([JSON.stringify(record, null, 1)], { type: "application/json" }));
  link.download = `answers-${record.study.slice(0, 8)}-${slug}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function finished(record, name) {
  if (await sent(record)) {
    store.remove(name);
    ask("end", []);
    text.append(part("sent"));
    return;
  }
  const choices = ["save"];
  for (;;) {
    const choice = ask("end", choices);
    text.querySelector("button").before(part(study.post ? "unsent" : "unsaved"), ...(choices.length > 1 ? [part("saved")] : []));
    if ((await choice) === "remove") break;
    save(record);
    choices[1] = "remove";
  }
  store.remove(name);
  ask("removed", []);
}

async function main() {
  const observer = await agreed();
  if (observer === null) return void ask("declined", []);
  const name = `limen-study ${study.study} ${observer}`;
  const record = store.get(name) ?? fresh(observer);
  await shownTo(record, name);
  record.ended ??= new Date().toISOString();
  store.set(name, record);
  await finished(record, name);
}

main();
})();

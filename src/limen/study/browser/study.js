"use strict";
(() => {
const study = window.STUDY;
const text = document.getElementById("text"), stage = document.getElementById("stage");
const CHOICES = study.task === "same-different" ? [["same", "s"], ["different", "d"]] : [["left", "arrowleft"], ["right", "arrowright"]];
const SHOWN_KEYS = { arrowleft: "←", arrowright: "→" };
const GAP = 24, AROUND = 170, PAUSE = 500;

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

// A pixel of a picture takes a whole number of the screen's own to each side: as many as asked for, or as fit.
const wanted = () => Math.max(1, Math.round(study.zoom * devicePixelRatio));

function layout() {
  const within = (length, count, side) => Math.floor(devicePixelRatio * length / (count * side));
  const fit = (columns, rows) => Math.min(
    within(innerWidth - (columns + 1) * GAP, columns, study.width), within(innerHeight - AROUND - rows * GAP, rows, study.height),
  );
  const most = study.task === "match" ? fit(2, 2) : fit(2, 1), abreast = study.task === "match" ? fit(3, 1) : most;
  return { scale: Math.min(wanted(), Math.max(most, abreast)), wide: most < Math.min(wanted(), abreast) };
}

class Pair {
  static info = {
    name: "limen-pair",
    version: "1",
    parameters: { trial: { type: jsPsychModule.ParameterType.OBJECT }, shape: { type: jsPsychModule.ParameterType.OBJECT } },
    data: { answer: { type: jsPsychModule.ParameterType.STRING } },
  };

  constructor(jsPsych) { this.jsPsych = jsPsych; }

  trial(element, { trial, shape }) {
    const [left, right, above] = trial.pictures;
    const row = (name, numbers) => {
      const made = document.createElement("div");
      made.className = `${name} unseen`;
      for (const number of numbers) made.append(framed(study.pictures[number]));
      return made;
    };
    const rows = above === undefined ? [row("pair", [left, right])]
      : shape.wide ? [row("pair", [left, above, right])] : [row("above", [above]), row("pair", [left, right])];
    const line = (name, words) => Object.assign(document.createElement("p"), { className: name, textContent: words });
    const answers = document.createElement("div");
    answers.className = "answers unseen";
    element.replaceChildren(line("question", word("question")), ...rows, answers, line("progress", `${trial.trial + 1} / ${trial.of}`));

    let start = 0, shown = null, away = false, done = false;
    const leave = () => { away ||= document.hidden; };
    document.addEventListener("visibilitychange", leave);
    const place = () => {
      // All frames have their sizes before the first is placed.
      for (const _ of [0, 1]) for (const row of rows) for (const each of row.children) placed(each, shape.scale);
    };
    addEventListener("resize", place);
    const hide = () => {
      shown = Math.round(performance.now() - start);
      for (const each of rows) after(each);
      place();
    };
    const finish = (answer) => {
      if (done) return;
      done = true;
      document.removeEventListener("visibilitychange", leave);
      removeEventListener("resize", place);
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
      place();
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

// The frame takes its place among the others, and the picture that of the frame, on the grid of the screen: a picture
// between two of its pixels, or as large as a rounded length of style sheets says, would be blurred.
function placed(frame, scale) {
  const shown = frame.firstChild, width = shown.naturalWidth ?? shown.width, height = shown.naturalHeight ?? shown.height;
  frame.style.width = `${width * scale / devicePixelRatio}px`;
  frame.style.height = `${height * scale / devicePixelRatio}px`;
  shown.style.width = `${width}px`;
  shown.style.height = `${height}px`;
  const { x, y } = frame.getBoundingClientRect();
  shown.style.transform = `translate(${whole(x)}px, ${whole(y)}px) scale(${scale / devicePixelRatio})`;
}

// The nearest place that is whole in pixels of style sheets and of the screen: others are rounded by browsers.
function whole(place) {
  const off = (at) => Math.abs(at * devicePixelRatio - Math.round(at * devicePixelRatio)) > 1e-4;
  const near = [...Array(41).keys()].map((step) => Math.round(place) + step - 20);
  near.sort((one, other) => off(one) - off(other) || Math.abs(one - place) - Math.abs(other - place));
  return near[0];
}

function after(row) {
  if (study.after === "blank") row.classList.add("unseen");
  if (study.after !== "mask") return;
  for (const image of row.querySelectorAll("img")) {
    const noise = document.createElement("canvas");
    noise.width = image.naturalWidth;
    noise.height = image.naturalHeight;
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
  const value = new URLSearchParams(location.search).get("observer") ?? "";
  Object.assign(input, { value, maxLength: 100, autocomplete: "off" });
  const answer = ask("consent", ["agree", "decline"], field);
  const agree = text.querySelector("[data-name=agree]");
  const check = () => { agree.disabled = !input.value.trim(); };
  input.addEventListener("input", check);
  input.addEventListener("keydown", ({ key }) => { if (key === "Enter") agree.click(); });
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
    screen: { width: screen.width, height: screen.height, ratio: devicePixelRatio, window_width: innerWidth, window_height: innerHeight, scale: 0 },
    answers: [],
  };
}

async function shownTo(record, name) {
  const trials = study.schedules[record.schedule];
  if (record.answers.length >= trials.length) return;
  await ask("instructions", ["go"]);
  if (layout().scale < wanted()) do await ask("small", ["go"]); while (layout().scale < 1);
  const shape = layout();
  record.screen.scale = shape.scale;
  text.hidden = true;
  stage.hidden = false;
  const jsPsych = initJsPsych({ display_element: "stage", override_safe_mode: true });
  const left = trials.map((pictures, trial) => ({ pictures, trial, of: trials.length })).slice(record.answers.length);
  const used = [...new Set(left.flatMap(({ pictures }) => pictures))];
  const failed = part("failed").textContent;
  await jsPsych.run([
    { type: jsPsychPreload, images: used.map((each) => study.pictures[each]), error_message: failed },
    ...left.map((trial) => ({
      type: Pair,
      trial,
      shape,
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

// A row for each answer, with what is true of all beside it; a name may hold commas and quotes.
function table({ screen, answers, ...record }) {
  const screens = Object.entries(screen).map(([name, value]) => [`screen_${name}`, value]);
  const rows = answers.map((answer) => Object.entries(record).concat(screens, Object.entries(answer)));
  const quoted = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
  return [rows[0].map(([name]) => name), ...rows.map((row) => row.map(([, value]) => quoted(value)))].join("\r\n");
}

function save(record, kind) {
  const link = document.createElement("a"), slug = record.observer.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 40);
  const content = kind === "csv" ? `\ufeff${table(record)}` : JSON.stringify(record, null, 1);
  link.href = URL.createObjectURL(new Blob([content], { type: kind === "csv" ? "text/csv" : "application/json" }));
  link.download = `answers-${record.study.slice(0, 8)}-${slug}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function finished(record, name) {
  if (await sent(record)) {
    store.remove(name);
    ask("end", []);
    return void text.append(part("sent"));
  }
  const choices = ["save", "table"];
  for (;;) {
    const choice = ask("end", choices);
    text.querySelector("button").before(part(study.post ? "unsent" : "unsaved"), ...(choices.length > 2 ? [part("saved")] : []));
    const chosen = await choice;
    if (chosen === "remove") break;
    save(record, chosen === "table" ? "csv" : "json");
    choices[2] = "remove";
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

// The page: the choice of a model, the permanent link, and the view.

import { View } from "../../../src/pullback/explorer/view/view.js";
import { serve, WorkerBackend } from "./backend.js";
import { sha256, unpack } from "./container.js";
import { linkOf, stateOf } from "./link.js";

const METRICS = [
  { id: "pullback", label: "the change of pixels" },
  { id: "fisher_rao", label: "the change of ink's odds (Fisher–Rao)" },
];

/** The page; `code` is the script's own text, which the worker runs too, and `index` lists the models. */
export function page(code, index) {
  const by = (id) => document.getElementById(id), told = by("message"), choice = by("model");
  const say = (message) => {
    told.textContent = message;
    told.hidden = !message;
  };
  if (typeof Worker === "undefined" || typeof WebAssembly === "undefined" || !Array.prototype.findLastIndex) {
    return say("This browser has no web workers, no WebAssembly, or an old JavaScript. " +
      "The explorer needs workers, WebAssembly and today's JavaScript: please use a newer browser.");
  }
  const packed = {}, unpacked = {}, arrived = {};
  globalThis.pullbackModel = (name, content) => {
    packed[name] = content;
    arrived[name]?.();
  };
  for (const { name, content } of globalThis.pullbackModels ?? []) packed[name] = content;

  const fetched = (name) => new Promise((resolve, reject) => {
    if (packed[name]) return resolve();
    const script = document.createElement("script");
    arrived[name] = resolve;
    script.src = `models/${name}.js`;
    script.onerror = () => reject(new Error("its file is missing"));
    script.onload = () => reject(new Error("its file is altered")); // it would have arrived by now
    document.head.append(script);
  });
  const modelOf = async (name) => {
    if (!unpacked[name]) {
      await fetched(name);
      if (sha256(packed[name]) !== index.models.find((m) => m.name === name).digest) {
        delete packed[name];
        throw new Error("its file is altered: it is not what this page was made with");
      }
      unpacked[name] = unpack(packed[name]);
    }
    return unpacked[name];
  };

  for (const { name, title } of index.models) choice.add(new Option(title, name));
  const backend = new WorkerBackend(code);
  let current = null;
  const view = new View(by("view"), {
    metrics: METRICS, shape: [28, 28], range: [0, 1], digits: digitsOf(index.digits),
    changed: (state) => {
      clearTimeout(view.linking);
      view.linking = setTimeout(() => history.replaceState(null, "", linkOf(current, state)), 200);
    },
    failed: (error) => say(`The computation failed: ${error.message}`),
  });

  /** Show a model; `wanted` is a state from a link, or null. */
  const show = async (name, wanted) => {
    choice.value = name;
    let model;
    try {
      model = await modelOf(name);
    } catch (error) {
      const { title } = index.models.find((m) => m.name === name);
      say(`The model ${title} cannot be shown: ${error.message}. The other models work.`);
      choice.value = current ?? "";
      if (!current && name !== index.default) return show(index.default, null);
      return null;
    }
    current = name;
    by("note").textContent = model.note;
    const keep = view.state ?? { metric: "pullback", quantity: "log_det", fan: false };
    const { metric, quantity, fan } = keep;
    const [start, end] = [model.codes[model.start], model.codes[model.end]];
    const probe = start.map((x, d) => (x + end[d]) / 2);
    const opened = backend.open(model);
    const done = view.open(backend, { metric, quantity, fan, start, end, probe, ...wanted }, model.codes);
    await opened;
    await done;
    return null;
  };
  const read = () => {
    const { model, state, fault } = stateOf(location.hash, index.models.map((m) => m.name));
    say(fault ? `The link could not be read: ${fault}. This is the default view.` : "");
    return show(model ?? index.default, state);
  };
  choice.onchange = async () => {
    say("");
    await show(choice.value, null);
    history.replaceState(null, "", linkOf(current, view.state));
  };
  globalThis.addEventListener("hashchange", read);
  globalThis.pullbackExplorer = { view, backend, modelOf, ready: read() }; // for tests, and for the curious
  return null;
}

/** The digits that can be picked: labels, and images with values from 0 to 1. */
function digitsOf({ labels, images }) {
  const bytes = Uint8Array.from(atob(images), (c) => c.charCodeAt(0));
  const image = (i) => Float32Array.from(bytes.subarray(784 * i, 784 * (i + 1)), (v) => v / 255);
  return labels.map((label, i) => ({ label, image: image(i) }));
}

/** In a worker, work; in a page, be the page. */
export function start(code) {
  if (typeof document === "undefined") serve();
  else page(code, globalThis.pullbackIndex);
}

// The view in a notebook: the backend is the kernel, at the other end of an anywidget model.

import { View } from "./view.js";

class KernelBackend {
  constructor(model) {
    this.model = model;
    this.waiting = new Map();
    this.count = 0;
    model.on("msg:custom", ({ id, result, error }, buffers) => {
      if (!this.waiting.has(id)) return; // of another view of the same model
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(arrays(result, buffers));
    });
  }

  ask(method, args = {}) {
    return new Promise((resolve, reject) => {
      const id = `${KernelBackend.own}-${++this.count}`;
      this.waiting.set(id, { resolve, reject });
      this.model.send({ id, method, args });
    });
  }

  async open() {
    this.options = await this.ask("options");
    this.box = this.options.box;
    return this.options;
  }

  async map(metric, show) {
    for (const n of this.options.grids) show({ box: this.box, ...(await this.ask("map", { n })) });
  }

  at(metric, z) {
    return this.ask("at", { z });
  }

  curves(metric, start, end) {
    return this.ask("curves", { start, end });
  }

  fan(metric, z, length) {
    return this.ask("fan", { z, length });
  }
}
KernelBackend.own = Math.random().toString(36).slice(2);

/** Descriptions {buffer: i} replaced by the numbers of buffer i. */
function arrays(value, buffers) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  if ("buffer" in value) {
    const { buffer, byteOffset, byteLength } = buffers[value.buffer];
    return new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
  }
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, arrays(part, buffers)]));
}

export async function render({ model, el }) {
  const said = document.createElement("p"), root = document.createElement("div"), backend = new KernelBackend(model);
  el.append(root, said);
  const failed = (error) => { said.textContent = `The computation failed: ${error.message}`; };
  try {
    const { shape, start, end, probe } = await backend.open();
    const view = new View(root, { metrics: [{ id: "own", label: "the change of the data" }], shape, failed });
    await view.open(backend, { start, end, probe, metric: "own", quantity: "log_det", fan: false });
  } catch (error) {
    failed(error);
  }
}

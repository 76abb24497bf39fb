// The page's backend: the map, curves and fans in a worker, points in the page, so that a long curve keeps no point
// waiting.

import { Engine } from "./engine.js";

const GRIDS = [25, 97]; // points a side of the map, one after the other
const SLICE = 4; // rows of a map between two looks at what else the worker was asked for

/** What the worker does with the messages {id, method, args}: answers {id, result} or {id, error}. */
export function serve() {
  let engine = null;
  self.onmessage = ({ data: { id, method, args } }) => {
    try {
      if (method === "open") engine = new Engine(args);
      self.postMessage({ id, result: method === "open" ? null : engine[method](args) });
    } catch (error) {
      self.postMessage({ id, error: String(error.message ?? error) });
    }
  };
}

export class WorkerBackend {
  /** `code` is the text of the worker's script. */
  constructor(code) {
    this.worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    this.waiting = new Map();
    this.count = 0;
    this.worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
    };
  }

  _ask(method, args) {
    return new Promise((resolve, reject) => {
      this.waiting.set(++this.count, { resolve, reject });
      this.worker.postMessage({ id: this.count, method, args });
    });
  }

  /** Use a model, as `unpack` returns it. */
  open(model) {
    this.engine = new Engine(model);
    this.box = this.engine.box;
    this.model = model;
    return this._ask("open", { box: model.box, layers: model.layers });
  }

  /** The map at more and more points a side: show(map) is called with each. */
  async map(metric, show) {
    const { model, box } = this;
    for (const n of GRIDS) {
      const factors = new Float64Array(3 * n * n);
      for (let from = 0; from < n; from += SLICE) {
        const to = Math.min(from + SLICE, n);
        factors.set(await this._ask("rows", { metric, n, from, to }), 3 * n * from);
        if (this.model !== model) return;
      }
      show({ box, n, factors });
    }
  }

  async at(metric, z) {
    return this.engine.at({ metric, z });
  }

  curves(metric, start, end, quick) {
    return this._ask("curves", { metric, start, end, quick });
  }

  fan(metric, z, length) {
    return this._ask("fan", { metric, z, length });
  }
}

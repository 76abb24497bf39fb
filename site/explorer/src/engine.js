// What the worker, and for points the page itself, compute of one model: the methods of a backend (see view/view.js).

import { fan } from "./exponential.js";
import { Space } from "./geodesic.js";
import { Grid, widened } from "./grid.js";
import { Network } from "./network.js";
import { factors } from "./points.js";
import { evenly, measure, spline, straight } from "./spline.js";

const FRAMES = 9, TIMES = 64;

export class Engine {
  /** `model` is what `unpack` returns. */
  constructor(model) {
    this.box = widened(model.box);
    this.spaces = {};
    const steps = model.layers;
    const last = { pullback: null, fisher_rao: "arcsine" };
    this.space = (metric) => (this.spaces[metric] ??= new Space(
      last[metric] ? this.space("pullback").network.ending(last[metric]) : new Network(steps),
      (sketch) => new Grid(sketch, this.box),
    ));
  }

  /** Factors of the metric on rows [from, to) of the map of n x n points over the box; row i is y[i]. */
  rows({ metric, n, from, to }) {
    const z = new Float64Array(2 * n * (to - from)), [[x0, x1], [y0, y1]] = this.box;
    for (let i = from, at = 0; i < to; i++) {
      for (let j = 0; j < n; j++) {
        z[at++] = x0 + ((x1 - x0) * j) / (n - 1);
        z[at++] = y0 + ((y1 - y0) * i) / (n - 1);
      }
    }
    return factors(this.space(metric).network, z);
  }

  at({ metric, z }) {
    const { network } = this.space("pullback"), point = Float64Array.from(z);
    return { image: network.value(point).slice(0, network.size), factor: factors(this.space(metric).network, point) };
  }

  curves({ metric, start, end, quick }) {
    const space = this.space(metric), line = straight(start, end, 1), found = space.geodesic(start, end, quick);
    return {
      line: this._shown(space, line, measure(space.network, line)),
      geodesic: this._shown(space, found.knots, found),
    };
  }

  /** What the page shows of the curve with these knots. */
  _shown(space, knots, { length, converged = true }) {
    const curve = spline(knots), times = evenly(TIMES), points = curve(times);
    const { speed } = space.network.motion(points, curve(times, 1));
    const { network } = this.space("pullback"), { width, size } = network;
    const images = network.value(curve(evenly(FRAMES - 1))), film = new Float32Array(FRAMES * size);
    for (let i = 0; i < FRAMES; i++) film.set(images.subarray(i * width, i * width + size), i * size);
    return { length, converged, knots, points, speed, film };
  }

  fan({ metric, z, length }) {
    return fan(this.space(metric).network, z, 24, length);
  }
}

// The geodesic between two points, found as Python's default finds it: src/pullback/geodesics/problem.py,
// first_curves.py and newton.py.

import { minimise, RESOLVED } from "./newton.js";
import { measure, resampled, straight } from "./spline.js";

const COARSEST = 16, FINEST = 512, STRIDE = 5;
const ROUGH = 1e-2, STEPS = 20, NEARLY = 0.05, KEPT = 2, SAME = 1e-4;
const TOL = 1e-3, MOST = 200;
const HOPELESS = 0.03; // relative excess of a drafted curve over the shortest: refining it gains less

/** A network, its sketch under every fifth pixel, and the grid of the sketch. */
export class Space {
  constructor(network, grid) {
    this.network = network;
    this.single = network.inSingle(); // for the work that needs no more
    this.sketch = network.thinned(STRIDE);
    this._grid = grid; // made when it is first asked for: grid(sketch)
  }

  get grid() {
    return (this.made ??= this._grid(this.sketch));
  }

  /** The curve from a to b: knots, length, whether it converged. With `quick`, the sketch's curve is good enough. */
  geodesic(a, b, quick = false) {
    const line = straight(a, b, COARSEST);
    if (a[0] === b[0] && a[1] === b[1]) return { knots: line, length: 0, converged: true, tried: 1 };
    const turned = a[0] === b[0] ? a[1] > b[1] : a[0] > b[0]; // as Python: the order of the ends changes nothing
    const [start, end] = turned ? [b, a] : [a, b];
    const first = [straight(start, end, COARSEST), ...this.grid.paths(start, end, COARSEST)];
    const relaxed = first.map((z) => minimise(this.sketch, z, ROUGH, STEPS));
    let found = distinct(relaxed).map((curve) => this._measured(this._drafted(curve.knots)));
    if (!quick) {
      const shortest = Math.min(...found.map((curve) => curve.length));
      found = found.filter((curve) => curve.length <= (1 + HOPELESS) * shortest)
        .map((curve) => this._measured(this._refined(curve)));
    }
    found.sort((x, y) => y.converged - x.converged || x.length - y.length);
    const best = { ...found[0], tried: first.length };
    if (turned) {
      const n = best.knots.length / 2;
      best.knots = Float64Array.from(best.knots, (_, i) => best.knots[2 * (n - 1 - (i >> 1)) + (i % 2)]);
    }
    return best;
  }

  _measured(curve) {
    return { ...curve, ...measure(this.network, curve.knots) };
  }

  /** The curve relaxed on the sketch, coarse to fine. */
  _drafted(knots) {
    for (let left = MOST; ; ) {
      const segments = knots.length / 2 - 1, last = 2 * segments > FINEST;
      const draft = minimise(this.sketch, knots, TOL, left, !last);
      left -= draft.taken;
      const converged = draft.criterion <= TOL && draft.gap <= RESOLVED;
      if (converged || last) return { knots: draft.knots, converged, left };
      knots = resampled(draft.knots, 2 * segments);
    }
  }

  /** The drafted curve relaxed under all pixels, with more segments where it needs them. */
  _refined({ knots, left }) {
    for (;;) {
      const segments = knots.length / 2 - 1, last = 2 * segments > FINEST;
      const whole = minimise(this.single, knots, TOL, left, !last);
      left -= whole.taken;
      const converged = whole.criterion <= TOL && whole.gap <= RESOLVED;
      if (converged || last) return { knots: whole.knots, converged };
      knots = resampled(whole.knots, 2 * segments);
    }
  }
}

/** Of relaxed curves the few that differ and are nearly as short as the shortest. */
function distinct(curves) {
  const kept = [];
  const length = (curve) => Math.sqrt(curve.refined);
  for (const curve of [...curves].sort((x, y) => length(x) - length(y))) {
    const differs = () => (1 + SAME) * length(kept.at(-1)) < length(curve);
    if (!kept.length || (differs() && length(curve) <= (1 + NEARLY) * length(kept[0]))) kept.push(curve);
  }
  return kept.slice(0, KEPT);
}

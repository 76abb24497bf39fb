// A decoder's values and derivatives, carried through its layers by hand as in src/pullback/geometry/layers.py.

import { Matrices } from "./kernel.js";

const TOGETHER = 32; // points evaluated at a time
const padded = (n) => 4 * Math.ceil(n / 4);
const INPUT = padded(2); // numbers of a row that goes in

// For `count` numbers: value, a becomes y = phi(a) in place; bend, phi' and phi''/phi' as functions of y. "arcsine" is
// h = 2 arcsin sqrt(sigmoid(a)), in which the Fisher-Rao metric of Bernoulli pixels is Euclidean:
// h' = sqrt(p (1 - p)) = sin(h) / 2.
const ACTIVATIONS = {
  tanh: {
    value(a, count) { for (let i = 0; i < count; i++) a[i] = 2 / (1 + Math.exp(-2 * a[i])) - 1; },
    bend(y, count, slope, ratio) {
      for (let i = 0; i < count; i++) { slope[i] = 1 - y[i] * y[i]; ratio[i] = -2 * y[i]; }
    },
  },
  sigmoid: {
    value(a, count) { for (let i = 0; i < count; i++) a[i] = 1 / (1 + Math.exp(-a[i])); },
    bend(y, count, slope, ratio) {
      for (let i = 0; i < count; i++) { slope[i] = y[i] * (1 - y[i]); ratio[i] = 1 - 2 * y[i]; }
    },
  },
  relu: {
    value(a, count) { for (let i = 0; i < count; i++) a[i] = Math.max(a[i], 0); },
    bend(y, count, slope, ratio) { for (let i = 0; i < count; i++) { slope[i] = y[i] > 0 ? 1 : 0; ratio[i] = 0; } },
  },
  arcsine: {
    value(a, count) { for (let i = 0; i < count; i++) a[i] = 2 * Math.atan(Math.exp(a[i] / 2)); },
    bend(y, count, slope, ratio) {
      for (let i = 0; i < count; i++) { slope[i] = Math.sin(y[i]) / 2; ratio[i] = Math.cos(y[i]) / 2; }
    },
  },
};

/** A plain network from R^2. `steps` are those of `PlainNetwork.layer_list`, weights as flat arrays; `single` says
 * whether it is evaluated in float32. Rows are padded with zeros to multiples of 4. */
export class Network {
  constructor(steps, single = false) {
    this.steps = steps;
    this.single = single;
    this.eps = single ? 1.2e-7 : 2.3e-16;
    const sizes = steps.filter((step) => !step.activation).map(({ rows, columns }) => [padded(rows), padded(columns)]);
    const widest = Math.max(INPUT, ...sizes.map(([n]) => n)), scratch = 4 * TOGETHER * widest;
    this.matrices = new Matrices(2 * scratch + sizes.reduce((sum, [n, k]) => sum + 2 * n * k, 0), single);
    this.Numbers = this.matrices.kind;
    this.rows = this.matrices.make(scratch);
    this.next = this.matrices.make(scratch);
    this.layers = [];
    for (const step of steps) {
      if (step.activation) this.layers.at(-1).act = ACTIVATIONS[step.activation];
      else this.layers.push(this._layer(step));
    }
    this.size = steps.filter((step) => !step.activation).at(-1).rows; // numbers of an image
    this.width = padded(this.size); // the same with what pads it, which is constant
    this.kept = this.layers.map((layer) => layer.act && {
      slope: new this.Numbers(TOGETHER * layer.n),
      ratio: new this.Numbers(TOGETHER * layer.n),
      before: new this.Numbers(2 * TOGETHER * layer.n),
    });
  }

  /** The same network in float32. */
  inSingle() {
    return new Network(this.steps, true);
  }

  /** The network of every stride-th output, in float32. */
  thinned(stride) {
    return this._withLast((step) => {
      const rows = Math.ceil(step.rows / stride), columns = step.columns;
      const weight = new Float64Array(rows * columns), bias = new Float64Array(rows);
      for (let r = 0; r < rows; r++) {
        weight.set(step.weight.subarray(r * stride * columns, (r * stride + 1) * columns), r * columns);
        bias[r] = step.bias[r * stride];
      }
      return { weight, bias, rows, columns };
    }, (activation) => activation, true);
  }

  /** The network with another last activation. */
  ending(activation) {
    return this._withLast((step) => step, () => activation);
  }

  _withLast(layer, activation, single = false) {
    const last = this.steps.findLastIndex((step) => !step.activation);
    const steps = this.steps.map((step, i) => {
      if (i === last) return layer(step);
      return i > last ? { activation: activation(step.activation) } : step;
    });
    return new Network(steps, single);
  }

  _layer({ weight, bias, rows, columns }) {
    const n = padded(rows), k = padded(columns), W = this.matrices.make(n * k), T = this.matrices.make(k * n);
    const b = new this.Numbers(n);
    for (let r = 0; r < rows; r++) {
      b[r] = bias[r];
      for (let c = 0; c < columns; c++) T[c * n + r] = W[r * k + c] = weight[r * columns + c];
    }
    return { W, T, b, n, k, act: null };
  }

  /** Rows of m points, from z[from] on, and under them further blocks of m rows each, which `fill(rows, m)` writes,
   * through all layers. After each activation `between(rows, l, count, slope, ratio)` completes the further blocks.
   * Returns the rows of the last layer. */
  _forward(z, from, m, blocks, fill, between) {
    const total = padded(m * blocks);
    let rows = this.rows, next = this.next;
    rows.fill(0, 0, total * INPUT);
    for (let i = 0; i < m; i++) {
      rows[INPUT * i] = z[2 * (from + i)];
      rows[INPUT * i + 1] = z[2 * (from + i) + 1];
    }
    fill?.(rows, m);
    this.layers.forEach((layer, l) => {
      const { W, b, n, k, act } = layer;
      this.matrices.product(rows, W, next, total, n, k);
      [rows, next] = [next, rows];
      for (let i = 0, at = 0; i < m; i++) for (let j = 0; j < n; j++) rows[at++] += b[j];
      if (!act) return;
      const count = m * n;
      act.value(rows, count);
      if (blocks > 1) {
        const { slope, ratio } = this.kept[l];
        act.bend(rows, count, slope, ratio);
        between(rows, l, count, slope, ratio);
      }
    });
    return rows;
  }

  /** Images (n, width) of the points z (n, 2). */
  value(z) {
    const n = z.length / 2, out = new this.Numbers(n * this.width);
    for (let from = 0; from < n; from += TOGETHER) {
      const m = Math.min(TOGETHER, n - from);
      out.set(this._forward(z, from, m, 1).subarray(0, m * this.width), from * this.width);
    }
    return out;
  }

  /** visit(i, rows, y, e1, e2) for each point: offsets in rows of its image and of the two columns of its Jacobian. */
  jets(z, visit) {
    const n = z.length / 2;
    for (let from = 0; from < n; from += TOGETHER) {
      const m = Math.min(TOGETHER, n - from), block = m * this.width;
      const rows = this._forward(z, from, m, 3, axes(1), both);
      for (let i = 0, at = 0; i < m; i++, at += this.width) visit(from + i, rows, at, block + at, 2 * block + at);
    }
  }

  /** Images (n, width) and the speeds (n,) of the images of points z (n, 2) that move with velocities v (n, 2). */
  motion(z, v) {
    const n = z.length / 2, { width } = this;
    const images = new this.Numbers(n * width), speed = new Float64Array(n);
    for (let from = 0; from < n; from += TOGETHER) {
      const m = Math.min(TOGETHER, n - from);
      const fill = (rows) => {
        for (let i = 0; i < m; i++) rows.set(v.subarray(2 * (from + i), 2 * (from + i) + 2), INPUT * (m + i));
      };
      const rows = this._forward(z, from, m, 2, fill, times(1));
      images.set(rows.subarray(0, m * width), from * width);
      for (let i = 0; i < m; i++) speed[from + i] = Math.sqrt(dot(rows, (m + i) * width, (m + i) * width, width));
    }
    return { images, speed };
  }

  /** J^T (n, 2, width) and sum_a w_a D^2 f_a (n, 3), its entries 11, 12, 22, at the points z (n, 2); w (n, width). */
  contract(z, w) {
    const n = z.length / 2, { width } = this;
    const J = new this.Numbers(n * 2 * width), second = new Float64Array(n * 3);
    for (let from = 0; from < n; from += TOGETHER) {
      const m = Math.min(TOGETHER, n - from);
      const keep = (r, l, count, slope) => {
        this.kept[l].before.set(r.subarray(count, 3 * count));
        both(r, l, count, slope);
      };
      let rows = this._forward(z, from, m, 3, axes(1), keep);
      for (let i = 0; i < m; i++) {
        for (const e of [0, 1]) {
          const at = ((1 + e) * m + i) * width;
          J.set(rows.subarray(at, at + width), (2 * (from + i) + e) * width);
        }
      }
      let [weights, other] = [this.rows, this.next];
      weights.set(w.subarray(from * width, (from + m) * width));
      for (let l = this.layers.length - 1; l >= 0; l--) {
        const { T, n: size, k, act } = this.layers[l], count = m * size;
        if (act) {
          const { slope, ratio, before } = this.kept[l];
          for (let i = 0, at = 0; i < m; i++) {
            let s11 = 0, s12 = 0, s22 = 0;
            for (let j = 0; j < size; j++, at++) {
              const u = (weights[at] *= slope[at]) * ratio[at], a = before[at], b = before[count + at];
              s11 += u * a * a;
              s12 += u * a * b;
              s22 += u * b * b;
            }
            second[3 * (from + i)] += s11;
            second[3 * (from + i) + 1] += s12;
            second[3 * (from + i) + 2] += s22;
          }
        }
        if (l > 0) {
          this.matrices.product(weights, T, other, padded(m), k, size);
          [weights, other] = [other, weights];
        }
      }
    }
    return { J, second };
  }

  /** visit(i, rows, e1, e2, vv) for each point: offsets of the Jacobian's columns and of D^2 f(v, v). */
  bends(z, v, visit) {
    const n = z.length / 2, { width } = this;
    for (let from = 0; from < n; from += TOGETHER) {
      const m = Math.min(TOGETHER, n - from);
      const step = (r, l, count, slope, ratio) => {
        const size = count / m;
        for (let i = 0; i < m; i++) {
          const v1 = v[2 * (from + i)], v2 = v[2 * (from + i) + 1];
          for (let at = i * size; at < (i + 1) * size; at++) {
            const along = v1 * r[2 * count + at] + v2 * r[3 * count + at];
            r[count + at] = slope[at] * (r[count + at] + ratio[at] * along * along);
            r[2 * count + at] *= slope[at];
            r[3 * count + at] *= slope[at];
          }
        }
      };
      const rows = this._forward(z, from, m, 4, axes(2), step), block = m * width;
      for (let i = 0, p = 0; i < m; i++, p += width) visit(from + i, rows, 2 * block + p, 3 * block + p, block + p);
    }
  }
}

/** Multiplies slopes into `blocks` blocks of tangents. */
const times = (blocks) => (rows, l, count, slope) => {
  for (let e = 1, at = count; e <= blocks; e++) for (let i = 0; i < count; i++, at++) rows[at] *= slope[i];
};
const both = times(2);

/** Fills the two blocks of rows after `first` blocks with the directions of the axes. */
const axes = (first) => (rows, m) => {
  for (let i = 0; i < m; i++) {
    rows[INPUT * (first * m + i)] = 1;
    rows[INPUT * ((first + 1) * m + i) + 1] = 1;
  }
};

/** The inner product of `count` numbers of an array from p and from q. */
export function dot(array, p, q, count) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += array[p + i] * array[q + i];
  return sum;
}

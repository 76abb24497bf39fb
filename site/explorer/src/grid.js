// The metric on a coarse grid, and the shortest paths along it, as in src/pullback/geodesics/grid.py.

import { dot } from "./network.js";

const SIDE = 48, REACH = 3, FINER = 2, PATHS = 4, EXCESS = 0.15, APART = 0.1;
export const WIDER = 1.25; // sides of the grid's box over those of the box of the model
const SIZE = FINER * SIDE + 1, N = SIDE + 1;

const gcd = (a, b) => (b ? gcd(b, a % b) : Math.abs(a));
const OFFSETS = [];
for (let dx = -REACH; dx <= REACH; dx++) {
  for (let dy = -REACH; dy <= REACH; dy++) if (gcd(dx, dy) === 1) OFFSETS.push([dx, dy]);
}

/** The box with the same centre and WIDER times the sides, no side shorter than a quarter of the other. */
export function widened(box) {
  const longest = Math.max(...box.map(([low, high]) => high - low));
  return box.map(([low, high]) => {
    const middle = (low + high) / 2, half = (Math.max(high - low, longest / 4) * WIDER) / 2;
    return [middle - half, middle + half];
  });
}

export class Grid {
  /** Over `box`; the metric is that of `network`. */
  constructor(network, box) {
    this.low = box.map(([low]) => low);
    this.step = box.map(([low, high]) => (high - low) / (SIZE - 1));
    const z = new Float64Array(2 * SIZE * SIZE), M = (this.table = new Float64Array(3 * SIZE * SIZE));
    for (let i = 0, at = 0; i < SIZE; i++) {
      for (let j = 0; j < SIZE; j++) {
        z[at++] = this.low[0] + i * this.step[0];
        z[at++] = this.low[1] + j * this.step[1];
      }
    }
    const [s, t] = this.step;
    network.jets(z, (i, rows, y, e1, e2) => {
      M[3 * i] = s * s * dot(rows, e1, e1, network.width);
      M[3 * i + 1] = s * t * dot(rows, e1, e2, network.width);
      M[3 * i + 2] = t * t * dot(rows, e2, e2, network.width);
    });
    this.edges = this._edges();
  }

  /** Length of the straight line from u to v, in steps of the table, by trapezoids with M bilinear between nodes. */
  _line(u, v, steps) {
    const M = this.table, dx = v[0] - u[0], dy = v[1] - u[1];
    let sum = 0;
    for (let s = 0; s <= steps; s++) {
      const x = u[0] + (s / steps) * dx, y = u[1] + (s / steps) * dy;
      const i = Math.min(Math.max(Math.trunc(x), 0), SIZE - 2), j = Math.min(Math.max(Math.trunc(y), 0), SIZE - 2);
      const a = x - i, b = y - j;
      let q = 0;
      for (let corner = 0; corner < 4; corner++) {
        const di = corner >> 1, dj = corner & 1, at = 3 * ((i + di) * SIZE + j + dj);
        const share = (di ? a : 1 - a) * (dj ? b : 1 - b);
        q += share * (M[at] * dx * dx + 2 * M[at + 1] * dx * dy + M[at + 2] * dy * dy);
      }
      sum += (s === 0 || s === steps ? 0.5 : 1) * Math.sqrt(Math.max(q, 0));
    }
    return sum / steps;
  }

  /** Lengths of the edges from all nodes along all offsets: Infinity where an edge leaves the grid. */
  _edges() {
    const lengths = new Float64Array(N * N * OFFSETS.length).fill(Infinity), count = OFFSETS.length;
    OFFSETS.forEach(([dx, dy], column) => {
      if (dx < 0 || (dx === 0 && dy < 0)) return; // the other way is set with it
      const long = Math.max(Math.abs(dx), Math.abs(dy)) * FINER;
      for (let i = 0; i + dx < N; i++) {
        for (let j = Math.max(0, -dy); j < N && j + dy < N; j++) {
          const u = [FINER * i, FINER * j];
          const length = this._line(u, [u[0] + FINER * dx, u[1] + FINER * dy], long);
          lengths[(i * N + j) * count + column] = length;
          lengths[((i + dx) * N + j + dy) * count + (count - 1 - column)] = length;
        }
      }
    });
    return lengths;
  }

  /** Paths from a to b worth a closer look, each as knots (segments + 1, 2). */
  paths(a, b, segments) {
    const place = (z) => z.map((x, d) => (x - this.low[d]) / this.step[d]);
    const u = place(a), v = place(b), to = [this._dijkstra(u), this._dijkstra(v)];
    const through = to[0].distance.map((d, i) => d + to[1].distance[i]);
    let shortest = Math.min(...through);
    const found = [], times = Array.from({ length: segments + 1 }, (_, i) => i / segments);
    const chart = (points) => {
      const knots = Float64Array.from(points.flat(), (x, i) => this.low[i % 2] + this.step[i % 2] * x);
      knots.set(a);
      knots.set(b, 2 * segments);
      found.push(knots);
    };
    if (Math.max(Math.abs(u[0] - v[0]), Math.abs(u[1] - v[1])) <= REACH * FINER) {
      shortest = Math.min(shortest, this._line(u, v, REACH * FINER));
      chart(times.map((t) => [u[0] + t * (v[0] - u[0]), u[1] + t * (v[1] - u[1])]));
    }
    // Only nodes at about half the distance are looked through, as `half` of Python's grid.
    this.longest ??= this.edges.reduce((x, y) => (y < Infinity && y > x ? y : x), 0);
    const limit = ((1 + EXCESS) * this._line(u, v, 2 * SIZE)) / 2 + this.longest;
    const near = (i) => to[0].distance[i] <= limit && to[1].distance[i] <= limit;
    let left = [...through.keys()].filter((i) => through[i] <= (1 + EXCESS) * shortest && near(i));
    for (let count = 0; count < PATHS && left.length; count++) {
      const via = left.reduce((best, i) => (through[i] < through[best] ? i : best));
      const nodes = [...this._trace(to[0].before, via).reverse(), ...this._trace(to[1].before, via).slice(1)];
      const half = this._trace(to[0].before, via).length - 1;
      const where = [u, ...nodes.map((i) => [FINER * Math.floor(i / N), FINER * (i % N)]), v];
      const along = (i, at) => (at <= half ? to[0].distance[i] : through[via] - to[1].distance[i]);
      const arc = [0, ...nodes.map(along), through[via]];
      const path = times.map((t) => interpolated(arc, where, t * through[via]));
      chart(path);
      let size = 0;
      for (let i = 1; i < path.length; i++) {
        size += Math.hypot(path[i][0] - path[i - 1][0], path[i][1] - path[i - 1][1]);
      }
      left = left.filter((i) => {
        const x = FINER * Math.floor(i / N), y = FINER * (i % N);
        return path.every((p) => Math.hypot(p[0] - x, p[1] - y) > APART * size);
      });
    }
    return found;
  }

  _trace(before, node) {
    const nodes = [];
    for (let i = node; i >= 0; i = before[i]) nodes.push(i);
    return nodes;
  }

  /** Shortest distances from u, a point in steps of the table, to all nodes, and the node before each, -1 for u. */
  _dijkstra(u) {
    const distance = new Float64Array(N * N).fill(Infinity), before = new Int32Array(N * N).fill(-1), heap = new Heap();
    const [cx, cy] = u.map((x) => Math.trunc(x / FINER));
    for (let i = Math.max(0, cx + 1 - REACH); i <= Math.min(N - 1, cx + REACH); i++) {
      for (let j = Math.max(0, cy + 1 - REACH); j <= Math.min(N - 1, cy + REACH); j++) {
        distance[i * N + j] = this._line(u, [FINER * i, FINER * j], REACH * FINER);
        heap.push(distance[i * N + j], i * N + j);
      }
    }
    const count = OFFSETS.length, jumps = OFFSETS.map(([dx, dy]) => dx * N + dy);
    while (heap.size) {
      const { key, item } = heap.pop();
      if (key > distance[item]) continue;
      for (let e = 0; e < count; e++) {
        const length = this.edges[item * count + e];
        if (length === Infinity) continue;
        const other = item + jumps[e];
        if (key + length < distance[other]) {
          distance[other] = key + length;
          before[other] = item;
          heap.push(distance[other], other);
        }
      }
    }
    return { distance, before };
  }
}

function interpolated(arc, where, at) {
  let i = 1;
  while (i < arc.length - 1 && arc[i] < at) i++;
  const width = arc[i] - arc[i - 1], t = width > 0 ? Math.min(Math.max((at - arc[i - 1]) / width, 0), 1) : 0;
  return [0, 1].map((d) => where[i - 1][d] + t * (where[i][d] - where[i - 1][d]));
}

/** A binary heap of items by their keys. */
class Heap {
  constructor() {
    this.keys = [];
    this.items = [];
  }

  get size() {
    return this.keys.length;
  }

  push(key, item) {
    let i = this.keys.length;
    for (; i > 0; ) {
      const up = (i - 1) >> 1;
      if (this.keys[up] <= key) break;
      this.keys[i] = this.keys[up];
      this.items[i] = this.items[up];
      i = up;
    }
    this.keys[i] = key;
    this.items[i] = item;
  }

  pop() {
    const first = { key: this.keys[0], item: this.items[0] }, key = this.keys.pop(), item = this.items.pop();
    const size = this.keys.length;
    if (size) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= size) break;
        if (child + 1 < size && this.keys[child + 1] < this.keys[child]) child++;
        if (this.keys[child] >= key) break;
        this.keys[i] = this.keys[child];
        this.items[i] = this.items[child];
        i = child;
      }
      this.keys[i] = key;
      this.items[i] = item;
    }
    return first;
  }
}

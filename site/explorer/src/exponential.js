// Geodesics from a point with given velocities: g'' = -(J^T J)^-1 J^T D^2 f(g', g'), by the classical Runge-Kutta
// method of order 4, all directions together.

import { dot } from "./network.js";

const RIDGE = 1e-12, STEPS = 32;

/** `count` geodesics from z in all directions, each of length `length` in the metric, as points (count, STEPS + 1, 2).
 * A curve ends, with NaN, where it is not finite any more. */
export function fan(network, z, count, length) {
  const M = new Float64Array(3);
  network.jets(Float64Array.from(z), (i, rows, y, e1, e2) => {
    M.set([dot(rows, e1, e1, network.width), dot(rows, e1, e2, network.width), dot(rows, e2, e2, network.width)]);
  });
  let position = new Float64Array(2 * count), velocity = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    const angle = (2 * Math.PI * i) / count, [c, s] = unit(M, angle);
    position.set(z, 2 * i);
    velocity.set([c * length, s * length], 2 * i);
  }
  const points = new Float64Array(count * (STEPS + 1) * 2), h = 1 / STEPS;
  const keep = (step) => {
    for (let i = 0; i < count; i++) points.set(position.subarray(2 * i, 2 * i + 2), 2 * (i * (STEPS + 1) + step));
  };
  const plus = (a, scale, b) => a.map((x, i) => x + scale * b[i]);
  keep(0);
  for (let step = 1; step <= STEPS; step++) {
    const a1 = acceleration(network, position, velocity);
    const v2 = plus(velocity, h / 2, a1), a2 = acceleration(network, plus(position, h / 2, velocity), v2);
    const v3 = plus(velocity, h / 2, a2), a3 = acceleration(network, plus(position, h / 2, v2), v3);
    const v4 = plus(velocity, h, a3), a4 = acceleration(network, plus(position, h, v3), v4);
    position = position.map((x, i) => x + (h / 6) * (velocity[i] + 2 * v2[i] + 2 * v3[i] + v4[i]));
    velocity = velocity.map((x, i) => x + (h / 6) * (a1[i] + 2 * a2[i] + 2 * a3[i] + a4[i]));
    keep(step);
  }
  return { points, count, steps: STEPS };
}

/** The direction M^(-1/2) (cos, sin): of unit length in the metric, and all directions alike. */
function unit([a, b, d], angle) {
  const root = Math.sqrt(Math.max(a * d - b * b, 0)), scale = Math.sqrt(a + d + 2 * root);
  const [p, q, r] = [(a + root) / scale, b / scale, (d + root) / scale], det = p * r - q * q; // the root of M
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [(r * c - q * s) / det, (p * s - q * c) / det];
}

export function acceleration(network, z, v) {
  const out = new Float64Array(z.length), { width } = network;
  network.bends(z, v, (i, rows, e1, e2, vv) => {
    const size = (dot(rows, e1, e1, width) + dot(rows, e2, e2, width)) / 2;
    const a = dot(rows, e1, e1, width) + RIDGE * size, d = dot(rows, e2, e2, width) + RIDGE * size;
    const b = dot(rows, e1, e2, width), p = dot(rows, e1, vv, width), q = dot(rows, e2, vv, width), det = a * d - b * b;
    out.set([-(d * p - b * q) / det, -(a * q - b * p) / det], 2 * i);
  });
  return out;
}

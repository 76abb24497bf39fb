// Cubic splines (not-a-knot) through evenly spaced knots, and the length of such a curve, as in
// src/pullback/geodesics/curves.py.

const BOOLE = [7 / 90, 32 / 90, 12 / 90, 32 / 90, 7 / 90];
const NODES = 64, FINEST = 4096, SETTLED = 1e-4;

/** A curve through knots (n + 1, 2) at t = i/n: at(times) gives points, at(times, 1) velocities, as (T, 2). */
export function spline(knots) {
  const n = knots.length / 2 - 1, h = 1 / n; // of one segment the second derivatives below are zero
  const bend = new Float64Array(2 * (n + 1)); // second derivatives at the knots
  for (const d of [0, 1]) {
    const y = (i) => knots[2 * i + d], right = (i) => (6 / (h * h)) * (y(i - 1) - 2 * y(i) + y(i + 1));
    const set = (i, value) => { bend[2 * i + d] = value; }, get = (i) => bend[2 * i + d];
    if (n === 2) for (const i of [0, 1, 2]) set(i, right(1) / 6); // a parabola
    if (n === 3) { // a cubic: the second derivative is linear
      set(1, right(1) / 6);
      set(2, right(2) / 6);
    }
    if (n > 3) {
      set(1, right(1) / 6);
      set(n - 1, right(n - 1) / 6);
      const above = new Float64Array(n + 1);
      for (let i = 2; i < n - 1; i++) { // m_{i-1} + 4 m_i + m_{i+1} = right(i)
        const pivot = 4 - (i > 2 ? above[i - 1] : 0);
        above[i] = 1 / pivot;
        set(i, (right(i) - get(i - 1) - (i === n - 2 ? get(n - 1) : 0)) / pivot);
      }
      for (let i = n - 3; i >= 2; i--) set(i, get(i) - above[i] * get(i + 1));
    }
    if (n > 2) {
      set(0, 2 * get(1) - get(2));
      set(n, 2 * get(n - 1) - get(n - 2));
    }
  }
  return (times, derivative = 0) => {
    const out = new Float64Array(2 * times.length);
    times.forEach((t, at) => {
      const i = Math.min(Math.max(Math.floor(t * n), 0), n - 1), u = t * n - i, w = 1 - u;
      for (const d of [0, 1]) {
        const [y0, y1, m0, m1] = [knots[2 * i + d], knots[2 * i + 2 + d], bend[2 * i + d], bend[2 * i + 2 + d]];
        out[2 * at + d] = derivative
          ? (y1 - y0) / h + (h / 6) * ((1 - 3 * w * w) * m0 + (3 * u * u - 1) * m1)
          : w * y0 + u * y1 + ((h * h) / 6) * ((w * w * w - w) * m0 + (u * u * u - u) * m1);
      }
    });
    return out;
  };
}

export const evenly = (steps) => Float64Array.from({ length: steps + 1 }, (_, i) => i / steps);

/** The knots of the same curve at `segments` steps, a multiple of its own; those that it has stay as they are. */
export function resampled(knots, segments) {
  const n = knots.length / 2 - 1;
  if (segments === n) return knots.slice();
  const out = spline(knots)(evenly(segments));
  for (let i = 0; i <= n; i++) out.set(knots.subarray(2 * i, 2 * i + 2), 2 * i * (segments / n));
  return out;
}

export function straight(start, end, segments) {
  const out = new Float64Array(2 * (segments + 1));
  for (let i = 0; i <= segments; i++) {
    for (const d of [0, 1]) out[2 * i + d] = start[d] + (i / segments) * (end[d] - start[d]);
  }
  return out;
}

/** The length of the curve with these knots, by Boole's rule on nodes that are doubled until the length settles, and
 * whether it settled. */
export function measure(network, knots) {
  const n = knots.length / 2 - 1, curve = spline(knots);
  let steps = n * Math.max(2, Math.ceil(NODES / n));
  while (steps % 4) steps *= 2;
  let speed = network.motion(curve(evenly(steps)), curve(evenly(steps), 1)).speed;
  for (let before = NaN; ; ) {
    let length = 0;
    for (let i = 0; i < steps; i += 4) for (let j = 0; j < 5; j++) length += (BOOLE[j] * 4 * speed[i + j]) / steps;
    const settled = Math.abs(length - before) <= SETTLED * length || length === 0;
    if (settled || 2 * steps > FINEST) return { length, settled, speed };
    before = length;
    const between = Float64Array.from({ length: steps }, (_, i) => (i + 0.5) / steps);
    const more = network.motion(curve(between), curve(between, 1)).speed, all = new Float64Array(2 * steps + 1);
    for (let i = 0; i <= steps; i++) all[2 * i] = speed[i];
    for (let i = 0; i < steps; i++) all[2 * i + 1] = more[i];
    [speed, steps] = [all, 2 * steps];
  }
}

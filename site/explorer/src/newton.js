// Newton's method on the discrete energy of one curve, as in src/pullback/geodesics/newton.py, whose names it shares.

import { dot } from "./network.js";

const SHARES = [1, 0.75, 0.5, 0.25, 0]; // of the second derivatives: 1 is Newton, 0 Gauss-Newton
const RIDGE = 1e-10, ROUNDING = 4, ARMIJO = 1e-4, TRIALS = 7, JUMP = 1.15, INEXACT = 0.3;
export const RESOLVED = 0.02;

/** The energy of the curve with knots z, its images, and the energy with the segments' middles as further knots. */
export function energies(network, z) {
  const { width } = network, n = z.length / 2 - 1, middle = new Float64Array(2 * n);
  for (let i = 0; i < 2 * n; i++) middle[i] = (z[i] + z[i + 2]) / 2;
  const images = network.value(z), between = network.value(middle);
  let energy = 0, refined = 0;
  for (let i = 0; i < n; i++) {
    for (let p = 0, at = i * width; p < width; p++, at++) {
      const whole = images[at + width] - images[at], first = between[at] - images[at], second = whole - first;
      energy += whole * whole;
      refined += first * first + second * second;
    }
  }
  return { z, images, energy: n * energy, refined: 2 * n * refined };
}

/** Lower the energy of the curve with knots z. Returns its knots, the criterion (the share of the energy that is left
 * to remove; Infinity at what is no minimum), the relative change of the energy when the segments are halved, and the
 * steps taken. */
export function minimise(network, z, tol, steps, inexact = false) {
  let state = energies(network, z), criterion = Infinity, taken = 0;
  const gap = () => state.refined / state.energy - 1;
  while (taken < steps) {
    const { step, decrement, full } = direction(network, state);
    criterion = full ? decrement / (2 * state.energy) : Infinity;
    const next = decrement > 0 ? backtrack(network, state, step, decrement) : null;
    taken++;
    if (!next) break;
    state = next;
    const goal = inexact ? Math.max(tol, INEXACT * (gap() - RESOLVED)) : tol;
    if (!(criterion > goal)) break;
  }
  return { knots: state.z, criterion, gap: gap(), taken, refined: state.refined };
}

function backtrack(network, state, step, decrement) {
  for (let trial = 0, scale = 1; trial < TRIALS; trial++, scale /= 2) {
    const z = state.z.slice();
    for (let i = 0; i < step.length; i++) z[i + 2] += scale * step[i];
    const next = energies(network, z);
    const lower = next.energy <= state.energy * (1 + ROUNDING * network.eps) - ARMIJO * scale * decrement;
    if (lower && next.refined <= Math.max(JUMP * next.energy, state.refined)) return next;
  }
  return null;
}

/** A step downhill at the inner knots, its decrement, and whether it is that of the full Hessian. Blocks of 2 x 2 are
 * stored as their entries 11, 12, 22, or 11, 12, 21, 22 off the diagonal. */
function direction(network, { z, images }) {
  const { width } = network, n = z.length / 2 - 1, m = n - 1;
  const force = new network.Numbers(m * width);
  for (let at = 0; at < force.length; at++) {
    force[at] = 2 * n * (2 * images[at + width] - images[at] - images[at + 2 * width]);
  }
  const { J, second } = network.contract(z.subarray(2, 2 * n), force);
  const gradient = new Float64Array(2 * m), D = new Float64Array(3 * m), C = new Float64Array(4 * m);
  const column = (i, e) => (2 * i + e) * width;
  let trace = 0;
  for (let i = 0; i < m; i++) {
    for (const e of [0, 1]) {
      let sum = 0;
      for (let p = 0, a = column(i, e), b = i * width; p < width; p++) sum += J[a + p] * force[b + p];
      gradient[2 * i + e] = sum;
    }
    D[3 * i] = 4 * n * dot(J, column(i, 0), column(i, 0), width);
    D[3 * i + 1] = 4 * n * dot(J, column(i, 0), column(i, 1), width);
    D[3 * i + 2] = 4 * n * dot(J, column(i, 1), column(i, 1), width);
    trace += D[3 * i] + D[3 * i + 2];
    if (i < m - 1) {
      for (const [at, e, g] of [[0, 0, 0], [1, 0, 1], [2, 1, 0], [3, 1, 1]]) {
        C[4 * i + at] = -2 * n * dot(J, column(i, e), column(i + 1, g), width);
      }
    }
  }
  for (let i = 0; i < m; i++) for (const e of [0, 2]) D[3 * i + e] += (RIDGE * trace) / (2 * m);
  for (const share of SHARES) {
    const step = solve(D, second, share, C, gradient);
    if (step) {
      let decrement = 0;
      for (let i = 0; i < step.length; i++) decrement += gradient[i] * step[i];
      if (decrement >= 0) return { step: step.map((x) => -x), decrement, full: share === 1 };
    }
  }
  return { step: new Float64Array(2 * m), decrement: 0, full: false };
}

/** x with H x = right, H block tridiagonal with D + share * more on the diagonal and C above it; null unless H is
 * positive definite. Block elimination: S_i = D_i - C_{i-1}^T S_{i-1}^{-1} C_{i-1}. */
function solve(D, more, share, C, right) {
  const m = right.length / 2, x = right.slice(), S = new Float64Array(3 * m); // S holds the inverses
  for (let i = 0; i < m; i++) {
    let [a, b, d] = [0, 1, 2].map((e) => D[3 * i + e] + share * more[3 * i + e]);
    if (i > 0) {
      const [p, q, r] = S.subarray(3 * i - 3, 3 * i), [c11, c12, c21, c22] = C.subarray(4 * i - 4, 4 * i);
      const t11 = p * c11 + q * c21, t12 = p * c12 + q * c22, t21 = q * c11 + r * c21, t22 = q * c12 + r * c22;
      a -= c11 * t11 + c21 * t21;
      b -= c11 * t12 + c21 * t22;
      d -= c12 * t12 + c22 * t22;
      const [u, v] = x.subarray(2 * i - 2, 2 * i);
      x[2 * i] -= t11 * u + t21 * v;
      x[2 * i + 1] -= t12 * u + t22 * v;
    }
    const det = a * d - b * b;
    if (!(a > 0 && det > 0 && det < Infinity)) return null;
    S.set([d / det, -b / det, a / det], 3 * i);
  }
  for (let i = m - 1; i >= 0; i--) {
    let u = x[2 * i], v = x[2 * i + 1];
    if (i < m - 1) {
      const [y, w] = x.subarray(2 * i + 2, 2 * i + 4);
      u -= C[4 * i] * y + C[4 * i + 1] * w;
      v -= C[4 * i + 2] * y + C[4 * i + 3] * w;
    }
    x[2 * i] = S[3 * i] * u + S[3 * i + 1] * v;
    x[2 * i + 1] = S[3 * i + 1] * u + S[3 * i + 2] * v;
  }
  return x;
}

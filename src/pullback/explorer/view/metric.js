// What a metric says at a point, from the factor R = (a, b, d) of the Jacobian's J = Q R, R = [[a, b], [0, d]]:
// M = R^T R. As src/pullback/geometry/metric.py.

const RANK = 784 * 2.3e-16; // singular values below this part of the largest are rounding

/** Both singular values, the largest first. */
export function singularValues([a, b, d]) {
  const largest = (Math.hypot(a + d, b) + Math.hypot(a - d, b)) / 2, least = largest > 0 ? (a * d) / largest : 0;
  return [largest, least > RANK * largest ? least : 0];
}

export const QUANTITIES = {
  log_det: {
    label: "log det M",
    title: "how fast the image changes",
    caption: "Where the map is bright, the image changes fast",
    low: "slowly", high: "fast",
    of: (factor) => { const [s, t] = singularValues(factor); return 2 * (Math.log(s) + Math.log(t)); },
  },
  log_cond: {
    label: "log condition number",
    title: "how uneven the directions are",
    caption: "Where the map is bright, the image changes much faster one way than the other",
    low: "all alike", high: "one much faster",
    of: (factor) => { const [s, t] = singularValues(factor); return t > 0 ? Math.log(s) - Math.log(t) : Infinity; },
  },
};

/** The half axes (2) of the ellipse of all steps v with v^T M v = size^2, and the angle of its longer one. */
export function ellipse([a, b, d], size) {
  const [s, t] = singularValues([a, b, d]), [p, q, r] = [a * a, a * b, b * b + d * d];
  return { long: size / t, short: size / s, angle: Math.atan2(2 * q, p - r) / 2 + Math.PI / 2 };
}

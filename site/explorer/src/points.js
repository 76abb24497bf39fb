// The metric at points, as the factor R of J = Q R: see view/metric.js.

import { dot } from "./network.js";

/** Factors (n, 3) at the points z (n, 2), by modified Gram-Schmidt. */
export function factors(network, z) {
  const { width } = network, out = new Float64Array((3 * z.length) / 2), rest = new Float64Array(width);
  network.jets(z, (i, rows, y, e1, e2) => {
    const a = Math.sqrt(dot(rows, e1, e1, width)), b = a > 0 ? dot(rows, e1, e2, width) / a : 0;
    for (let p = 0; p < width; p++) rest[p] = rows[e2 + p] - (a > 0 ? (b / a) * rows[e1 + p] : 0);
    out.set([a, b, Math.sqrt(dot(rest, 0, 0, width))], 3 * i);
  });
  return out;
}

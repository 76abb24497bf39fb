// Pictures from numbers: maps, images, films and the plot of speeds.

// Every eighth colour of matplotlib's maps of these names, which can be told apart with any colour vision and in grey.
const STOPS = {
  log_det:
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c" +
    "1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  log_cond:
    "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f70737676767d7c78" +
    "8482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03afee838",
};
const RANK_DEFICIENT = [216, 27, 96]; // in neither colour map

/** The colour of a share from 0 to 1, as three numbers from 0 to 255. */
export function colour(quantity, share) {
  const stops = STOPS[quantity], at = Math.min(Math.max(share, 0), 1) * (stops.length / 6 - 1);
  const i = Math.min(Math.floor(at), stops.length / 6 - 2), rest = at - i;
  return [0, 1, 2].map((c) => {
    const [low, high] = [0, 6].map((next) => parseInt(stops.substr(6 * i + next + 2 * c, 2), 16));
    return Math.round(low + rest * (high - low));
  });
}

/** The least and the largest finite value. */
export function limits(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) {
    if (Number.isFinite(v)) {
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
  }
  return low <= high ? [low, high > low ? high : low + 1] : [0, 1];
}

/** A map of n x n values, row 0 at the bottom, whose outermost points lie on the canvas's edges. */
export function paintMap(canvas, values, n, [low, high], quantity) {
  const side = 4 * (n - 1), picture = new ImageData(side, side), data = picture.data;
  const table = Array.from({ length: 257 }, (_, i) => colour(quantity, i / 256));
  for (let row = 0, out = 0; row < side; row++) {
    const y = (side - row - 0.5) / 4, i = Math.min(Math.floor(y), n - 2), v = y - i;
    for (let column = 0; column < side; column++, out += 4) {
      const x = (column + 0.5) / 4, j = Math.min(Math.floor(x), n - 2), u = x - j, at = i * n + j;
      const below = (1 - u) * values[at] + u * values[at + 1];
      const above = (1 - u) * values[at + n] + u * values[at + n + 1];
      const value = (1 - v) * below + v * above, step = Math.round((256 * (value - low)) / (high - low));
      data.set(Number.isFinite(value) ? table[Math.min(Math.max(step, 0), 256)] : RANK_DEFICIENT, out);
      data[out + 3] = 255;
    }
  }
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Images of shape (channels, height, width), or (height, width), side by side. */
export function paintImages(canvas, images, shape, [low, high]) {
  const [channels, height, width] = shape.length === 2 ? [1, ...shape] : shape, size = channels * height * width;
  const count = images.length / size, picture = new ImageData(count * width, height);
  for (let i = 0; i < count; i++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const out = 4 * (y * count * width + i * width + x);
        for (let c = 0; c < 3; c++) {
          const value = images[i * size + (channels === 1 ? 0 : c * height * width) + y * width + x];
          picture.data[out + c] = (255 * (value - low)) / (high - low);
        }
        picture.data[out + 3] = 255;
      }
    }
  }
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** The `d` of an SVG path through points (n, 2) from x, y in [0, 1] upwards; a curve ends at its first NaN. */
export function path(points, place) {
  let d = "";
  for (let i = 0; i < points.length; i += 2) {
    if (!Number.isFinite(points[i] + points[i + 1])) break;
    const [x, y] = place([points[i], points[i + 1]]);
    d += `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`;
  }
  return d;
}

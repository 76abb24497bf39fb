// A model's file: a header in JSON, and arrays, in one base64 text, whose SHA-256 the page knows.

const TYPES = { f4: Float32Array, f8: Float64Array, u1: Uint8Array };

/** The header of a packed model, with its arrays in place of their descriptions. Throws Error if it is not whole. */
export function unpack(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const read = (value) => {
    if (Array.isArray(value)) return value.map(read);
    if (value === null || typeof value !== "object") return value;
    if (!("offset" in value)) return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, read(v)]));
    return new TYPES[value.type](bytes.buffer, value.offset, value.count);
  };
  return read(JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))));
}

/** SHA-256 (FIPS 180-4) of an ASCII text, in hexadecimal digits. The browser's own needs a secure context. */
export function sha256(text) {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const bits = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32) | 0;
  const K = primes.map((p) => bits(Math.cbrt(p))), H = primes.slice(0, 8).map((p) => bits(Math.sqrt(p)));
  const size = 64 * Math.ceil((text.length + 9) / 64), bytes = new Uint8Array(size), view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  bytes[text.length] = 128;
  view.setUint32(size - 8, Math.floor(text.length / 2 ** 29));
  view.setUint32(size - 4, (text.length * 8) >>> 0);
  const W = new Int32Array(64), turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let block = 0; block < size; block += 64) {
    for (let i = 0; i < 16; i++) W[i] = view.getInt32(block + 4 * i);
    for (let i = 16; i < 64; i++) {
      const a = W[i - 15], b = W[i - 2];
      W[i] = W[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + W[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 64; i++) {
      const t = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
      const u = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t) | 0, c, b, a, (t + u) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((x, i) => { H[i] = (H[i] + x) | 0; });
  }
  return H.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

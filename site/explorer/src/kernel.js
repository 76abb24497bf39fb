// Products of matrices, two numbers at a time in float64 and four in float32: what most of the page's time goes into.
// The machine code is written here by hand, because it is one small function: C = A B^T, row by row.

const PAGE = 65536;
const I32 = 0x7f, V128 = 0x7b;

const leb = (value) => {
  const bytes = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 128) return [...bytes, left];
    bytes.push((left & 127) | 128);
  }
};
const signed = (value) => { // as `leb`, for the constants of the code
  const bytes = [];
  for (let left = value; ; left >>= 7) {
    if (left >= -64 && left < 64) return [...bytes, left & 127];
    bytes.push((left & 127) | 128);
  }
};
const section = (id, content) => [id, ...leb(content.length), ...content];
const text = (word) => [word.length, ...[...word].map((c) => c.charCodeAt(0))];

/** A WebAssembly module that imports memory m.m and exports f(a, b, c, m, n, k): the m x n matrix C at byte c becomes
 * A B^T, A of m x k at byte a, B of n x k at byte b, rows one after the other; m and k are multiples of 4, n of 2. */
function machineCode(single) {
  const size = single ? 4 : 8; // bytes of a number
  const [A, B, C, M, N, K, STRIDE, I, J, PA, PB, PC, END] = Array.from({ length: 13 }, (_, i) => i);
  const [ACC, ROW0, ROW1] = [13, 21, 22]; // eight sums, and numbers of two rows of B
  const get = (i) => [0x20, i], set = (i) => [0x21, i], tee = (i) => [0x22, i], int = (v) => [0x41, ...signed(v)];
  const add = [0x6a], multiply = [0x6c], simd = (op) => [0xfd, ...leb(op)];
  const load = [...simd(0), 3, 0], store = [...simd(single ? 0x5b : 11), 3, 0, ...(single ? [0] : [])]; // two numbers
  const bytes = (...starts) => // a vector of numbers that start at these bytes of two vectors
    [...simd(13), ...starts.flatMap((at) => Array.from({ length: 16 / starts.length }, (_, i) => at + i))];
  const VADD = simd(single ? 0xe4 : 0xf0), VMUL = simd(single ? 0xe6 : 0xf2);
  const halves = [bytes(0, 16), bytes(8, 24)], quarters = [bytes(0, 8, 0, 8), bytes(4, 12, 4, 12)];
  const grow = (at, by) => [...get(at), ...by, ...add, ...set(at)];
  const loop = (body) => [0x03, 0x40, ...body, 0x0b];
  const again = (at, end) => [...get(at), ...get(end), 0x49, 0x0d, 0]; // while at < end, unsigned
  const inner = [...get(PB), ...load, ...set(ROW0), ...get(PB), ...get(STRIDE), ...add, ...load, ...set(ROW1)];
  const rowOf = (r) => [...get(PA), ...Array.from({ length: r }, () => [...get(STRIDE), ...add]).flat(), ...load];
  const zero = [...simd(12), ...Array(16).fill(0)];
  const clear = [], sums = [], write = [];
  for (let r = 0; r < 4; r++) {
    for (let s = 0; s < 2; s++) {
      const acc = ACC + 2 * r + s;
      clear.push(...zero, ...set(acc));
      sums.push(...rowOf(r), ...get(s ? ROW1 : ROW0), ...VMUL, ...get(acc), ...VADD, ...set(acc));
    }
    const pair = [...get(ACC + 2 * r), ...get(ACC + 2 * r + 1)];
    write.push(...get(PC), ...pair, ...halves[0], ...pair, ...halves[1], ...VADD);
    if (single) {
      const both = [...get(ROW0), ...get(ROW0)];
      write.push(...set(ROW0), ...both, ...quarters[0], ...both, ...quarters[1], ...VADD);
    }
    write.push(...store, ...grow(PC, [...get(N), ...int(size), ...multiply]));
  }
  const body = [
    ...get(K), ...int(size), ...multiply, ...set(STRIDE), ...int(0), ...set(I),
    ...loop([
      ...int(0), ...set(J),
      ...loop([
        ...clear,
        ...get(A), ...get(I), ...get(STRIDE), ...multiply, ...add, ...tee(PA), ...get(STRIDE), ...add, ...set(END),
        ...get(B), ...get(J), ...get(STRIDE), ...multiply, ...add, ...set(PB),
        ...loop([...inner, ...sums, ...grow(PA, int(16)), ...grow(PB, int(16)), ...again(PA, END)]),
        ...get(C), ...get(I), ...get(N), ...multiply, ...get(J), ...add, ...int(size), ...multiply, ...add, ...set(PC),
        ...write, ...grow(J, int(2)), ...again(J, N),
      ]),
      ...grow(I, int(4)), ...again(I, M),
    ]), 0x0b,
  ];
  const code = [2, 7, I32, 10, V128, ...body];
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 6, I32, I32, I32, I32, I32, I32, 0]),
    ...section(2, [1, ...text("m"), ...text("m"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text("f"), 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ]);
}

/** Matrices of `numbers` numbers in all, side by side in one memory, and their products. */
export class Matrices {
  constructor(numbers, single) {
    this.kind = single ? Float32Array : Float64Array;
    this.memory = new WebAssembly.Memory({ initial: Math.ceil((numbers * this.kind.BYTES_PER_ELEMENT) / PAGE) });
    this.used = 0;
    try {
      const module = new WebAssembly.Module(machineCode(single));
      this.f = new WebAssembly.Instance(module, { m: { m: this.memory } }).exports.f;
    } catch {
      this.f = null; // no vectors in this browser: the same sums, one number at a time
    }
  }

  /** A zero matrix of `length` numbers, a multiple of 4. */
  make(length) {
    const array = new this.kind(this.memory.buffer, this.used, length);
    this.used += array.byteLength;
    return array;
  }

  /** C (m, n) = A (m, k) B (n, k)^T; m and k are multiples of 4, n is even. */
  product(A, B, C, m, n, k) {
    if (this.f) this.f(A.byteOffset, B.byteOffset, C.byteOffset, m, n, k);
    else plainProduct(A, B, C, m, n, k);
  }
}

function plainProduct(A, B, C, m, n, k) {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let even = 0, odd = 0;
      for (let p = i * k, q = j * k, end = p + k; p < end; p += 2, q += 2) {
        even += A[p] * B[q];
        odd += A[p + 1] * B[q + 1];
      }
      C[i * n + j] = even + odd;
    }
  }
}

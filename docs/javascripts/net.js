/* A small net in the page: the operations of the graphs in placement-lab-data.js, in double precision.
   Values are {h, w, c, data} with channels last, as in Keras. No framework, no network. */
(() => {
  "use strict";

  function erf(x) {
    if (Math.abs(x) > 4) return Math.sign(x); // the rest is below 2e-8
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 && n < 200; n += 1) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return sum * 2 / Math.sqrt(Math.PI);
  }
  const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

  // As keras.activations defines them.
  const functions = {
    relu: (z) => Math.max(z, 0),
    leaky_relu: (z) => (z > 0 ? z : 0.2 * z),
    elu: (z) => (z > 0 ? z : Math.expm1(z)),
    selu: (z) => 1.0507009873554805 * (z > 0 ? z : 1.6732632423543772 * Math.expm1(z)),
    gelu: (z) => 0.5 * z * (1 + erf(z / Math.SQRT2)),
    silu: (z) => z / (1 + Math.exp(-z)),
    mish: (z) => z * Math.tanh(softplus(z)),
    tanh: Math.tanh,
    sigmoid: (z) => 1 / (1 + Math.exp(-z)),
    softplus,
    softsign: (z) => z / (1 + Math.abs(z)),
    linear: (z) => z,
  };

  const values = (h, w, c) => ({ h, w, c, data: new Float64Array(h * w * c) });
  const each = (x, f) => ({ ...x, data: x.data.map(f) });

  /* Where a window begins and how many there are: TensorFlow's rule for 'same' padding. */
  function windows(size, k, strides, padding) {
    if (padding === "valid") return { count: Math.floor((size - k) / strides) + 1, before: 0 };
    const count = Math.ceil(size / strides);
    return { count, before: Math.floor(Math.max((count - 1) * strides + k - size, 0) / 2) };
  }

  function conv(x, op, tensor) {
    const { data: kernel, shape: [k, , inputs, filters] } = tensor("kernel");
    const bias = tensor("bias");
    const rows = windows(x.h, k, op.strides, op.padding), columns = windows(x.w, k, op.strides, op.padding);
    const y = values(rows.count, columns.count, filters);
    for (let r = 0; r < y.h; r += 1) for (let c = 0; c < y.w; c += 1) {
      const at = (r * y.w + c) * filters;
      if (bias) for (let f = 0; f < filters; f += 1) y.data[at + f] = bias.data[f];
      for (let i = 0; i < k; i += 1) for (let j = 0; j < k; j += 1) {
        const row = r * op.strides + i - rows.before, column = c * op.strides + j - columns.before;
        if (row < 0 || column < 0 || row >= x.h || column >= x.w) continue;
        for (let m = 0; m < inputs; m += 1) {
          const value = x.data[(row * x.w + column) * x.c + m], from = ((i * k + j) * inputs + m) * filters;
          if (value !== 0) for (let f = 0; f < filters; f += 1) y.data[at + f] += value * kernel[from + f];
        }
      }
    }
    return y;
  }

  function norm(x, op, tensor) {
    const [gamma, beta, mean, variance] = ["gamma", "beta", "moving_mean", "moving_variance"].map((n) => tensor(n).data);
    return each(x, (z, i) => {
      const c = i % x.c;
      return (z - mean[c]) / Math.sqrt(variance[c] + op.epsilon) * gamma[c] + beta[c];
    });
  }

  function pad(x, op) {
    const [[top, bottom], [left, right], [front, back]] = op.padding;
    const y = values(x.h + top + bottom, x.w + left + right, x.c + front + back);
    for (let r = 0; r < x.h; r += 1) for (let c = 0; c < x.w; c += 1) {
      y.data.set(x.data.subarray((r * x.w + c) * x.c, (r * x.w + c + 1) * x.c), ((r + top) * y.w + c + left) * y.c + front);
    }
    return y;
  }

  function pool(x, op, kind) {
    const y = values(Math.floor((x.h - op.size) / op.strides) + 1, Math.floor((x.w - op.size) / op.strides) + 1, x.c);
    for (let r = 0; r < y.h; r += 1) for (let c = 0; c < y.w; c += 1) for (let m = 0; m < x.c; m += 1) {
      let total = kind === "max" ? -Infinity : 0;
      for (let i = 0; i < op.size; i += 1) for (let j = 0; j < op.size; j += 1) {
        const z = x.data[((r * op.strides + i) * x.w + c * op.strides + j) * x.c + m];
        total = kind === "max" ? Math.max(total, z) : total + z / (op.size * op.size);
      }
      y.data[(r * y.w + c) * y.c + m] = total;
    }
    return y;
  }

  function mean(x) {
    const y = values(1, 1, x.c);
    x.data.forEach((z, i) => { y.data[i % x.c] += z / (x.h * x.w); });
    return y;
  }

  function dense(x, op, tensor) {
    const { data: kernel, shape: [inputs, units] } = tensor("kernel");
    const bias = tensor("bias");
    const y = values(1, 1, units);
    for (let u = 0; u < units; u += 1) {
      let total = bias ? bias.data[u] : 0;
      for (let i = 0; i < inputs; i += 1) total += x.data[i] * kernel[i * units + u];
      y.data[u] = total;
    }
    return y;
  }

  /* Run a graph. `image` holds 28 x 28 numbers from 0 to 1; `settings` is {activation, pooling: "max" or "average"}.
     Returns the value of every operation, in the order of the graph; the last one holds the logits. */
  function run(ops, weights, image, settings) {
    const f = functions[settings.activation];
    if (!f) throw new Error(`unknown activation ${settings.activation}; known: ${Object.keys(functions).join(", ")}`);
    const done = [];
    for (const op of ops) {
      const x = done[op.inputs[0]], tensor = (name) => weights[`${op.name}/${name}`];
      done.push({
        input: () => ({ h: 28, w: 28, c: 1, data: Float64Array.from(image) }),
        conv: () => conv(x, op, tensor),
        norm: () => norm(x, op, tensor),
        act: () => each(x, f),
        pad: () => pad(x, op),
        pool: () => pool(x, op, settings.pooling),
        mean: () => mean(x),
        flatten: () => ({ h: 1, w: 1, c: x.data.length, data: x.data }),
        dense: () => dense(x, op, tensor),
        add: () => each(x, (z, i) => z + done[op.inputs[1]].data[i]),
      }[op.op]());
    }
    return done;
  }

  function fromHalf(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024);
  }

  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  /* {"layer/name": {shape, data}} of one set of weights. */
  function decode(set) {
    const raw = new DataView(bytes(set.half).buffer), weights = {};
    for (const [name, [offset, shape]] of Object.entries(set.tensors)) {
      const size = shape.reduce((a, b) => a * b, 1);
      weights[name] = { shape, data: Float64Array.from({ length: size }, (_, i) => fromHalf(raw.getUint16(2 * (offset + i), true))) };
    }
    return weights;
  }

  const pixels = (base64) => Float64Array.from(bytes(base64), (value) => value / 255);

  function softmax(scores) {
    const top = Math.max(...scores), powers = Array.from(scores, (s) => Math.exp(s - top));
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / total);
  }

  globalThis.zooNet = { functions, run, decode, pixels, softmax, windows };
})();

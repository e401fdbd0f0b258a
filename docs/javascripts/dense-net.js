/* A dense net of three layers that learns in the page: points, forward pass, gradients, one step of gradient
   descent, all in double precision. No framework, no network. A test compares each part with Keras.

   A net is a list of layers {inputs, units, kernel, bias}, the kernel as Keras lays it out: kernel[i * units + u]. */
(() => {
  "use strict";
  const SIZES = [2, 16, 16, 2]; // of points of the plane; digits have sizes of their own
  const POINTS = 200; // of each data set in the plane
  const BATCH = 20;

  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  // Value and slope, as keras.activations defines them.
  const FUNCTIONS = {
    relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
    leaky_relu: [(z) => (z > 0 ? z : 0.2 * z), (z) => (z > 0 ? 1 : 0.2)],
    tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
    sigmoid: [sigmoid, (z) => sigmoid(z) * (1 - sigmoid(z))],
    linear: [(z) => z, () => 1],
  };
  const TITLES = { relu: "ReLU", leaky_relu: "leaky ReLU (0.2)", tanh: "tanh", sigmoid: "sigmoid", linear: "linear" };
  // After which of the two hidden layers the function is applied.
  const PLACEMENTS = { none: [false, false], first: [true, false], second: [false, true], both: [true, true] };

  /* Images from text of one letter a pixel, "a" for 0 to "q" for 16, as points with a number from 0 to 1 for each pixel. */
  function images({ pixels, labels }) {
    const size = pixels.length / labels.length;
    return {
      points: Array.from(labels, (_, n) => Float64Array.from({ length: size }, (_, i) => (pixels.charCodeAt(n * size + i) - 97) / 16)),
      labels: Array.from(labels, Number),
    };
  }

  /* Numbers from 0 to 1, the same for the same seed in every browser (the generator "mulberry32"). */
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let z = Math.imul(state ^ (state >>> 15), state | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
    };
  }
  /* One number of the standard normal distribution. */
  const normal = (next) => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

  const SETS = {
    // t runs from 0 to 1 along the class.
    moons: (t, label) => {
      const turn = Math.PI * t;
      const side = label ? -0.85 : 0.85; // one is the other, turned by half
      return [side * (Math.cos(turn) - 0.5), side * (Math.sin(turn) - 0.25)];
    },
    circles: (t, label) => {
      const turn = 2 * Math.PI * t, radius = label ? 0.5 : 1.25;
      return [radius * Math.cos(turn), radius * Math.sin(turn)];
    },
    spiral: (t, label) => {
      const turn = 2.2 * Math.PI * t + (label ? Math.PI : 0), radius = 0.15 + 1.25 * t;
      return [radius * Math.cos(turn), radius * Math.sin(turn)];
    },
  };
  const NOISE = { moons: 0.09, circles: 0.09, spiral: 0.04 };

  /* {points: [[x, y], ...], labels: [0 or 1, ...]}: as many of each class. */
  function dataSet(name, seed) {
    if (!SETS[name]) throw new Error(`unknown data set ${name}; known: ${Object.keys(SETS).join(", ")}`);
    const next = random(seed), points = [], labels = [];
    for (let i = 0; i < POINTS; i += 1) {
      const label = i % 2, at = SETS[name]((i >> 1) / (POINTS / 2 - 1), label);
      points.push(at.map((z) => z + NOISE[name] * normal(next)));
      labels.push(label);
    }
    return { points, labels };
  }

  /* Glorot's uniform weights and biases of zero, what keras.layers.Dense begins with. */
  function start(seed, sizes = SIZES) {
    const next = random(seed);
    return sizes.slice(1).map((units, l) => {
      const inputs = sizes[l], limit = Math.sqrt(6 / (inputs + units));
      return {
        inputs, units, bias: new Float64Array(units),
        kernel: Float64Array.from({ length: inputs * units }, () => limit * (2 * next() - 1)),
      };
    });
  }

  /* The function and slope used after each layer; the last layer gives logits and never has one. */
  function activations({ placement, activation }) {
    if (!FUNCTIONS[activation]) throw new Error(`unknown activation ${activation}; known: ${Object.keys(FUNCTIONS).join(", ")}`);
    if (!PLACEMENTS[placement]) throw new Error(`unknown placement ${placement}; known: ${Object.keys(PLACEMENTS).join(", ")}`);
    return [...PLACEMENTS[placement], false].map((used) => FUNCTIONS[used ? activation : "linear"]);
  }

  /* For one point: what each layer reads and the value before its activation; the last z are the logits. */
  function forward(net, functions, point) {
    const reads = [], before = [];
    let x = point;
    net.forEach((layer, l) => {
      const z = Float64Array.from(layer.bias);
      for (let i = 0; i < layer.inputs; i += 1) for (let u = 0; u < layer.units; u += 1) z[u] += x[i] * layer.kernel[i * layer.units + u];
      reads.push(x);
      before.push(z);
      x = z.map(functions[l][0]);
    });
    return { reads, before, logits: before.at(-1) };
  }

  /* Cross-entropy of a softmax, in nats, and the probabilities. */
  function crossEntropy(logits, label) {
    const top = Math.max(...logits), powers = Array.from(logits, (z) => Math.exp(z - top));
    const total = powers.reduce((a, b) => a + b, 0);
    return { loss: Math.log(total) + top - logits[label], probabilities: powers.map((p) => p / total) };
  }

  /* Mean loss over the points, and its gradient in the shape of the net. */
  function gradient(net, choice, points, labels) {
    const functions = activations(choice);
    const slopes = net.map((l) => ({ ...l, kernel: new Float64Array(l.kernel.length), bias: new Float64Array(l.units) }));
    let mean = 0;
    points.forEach((point, n) => {
      const { reads, before, logits } = forward(net, functions, point);
      const { loss, probabilities } = crossEntropy(logits, labels[n]);
      mean += loss / points.length;
      let back = probabilities.map((p, u) => (p - (u === labels[n] ? 1 : 0)) / points.length); // dL/dz of the last layer
      for (let l = net.length - 1; l >= 0; l -= 1) {
        const { inputs, units, kernel } = net[l], below = new Float64Array(inputs);
        for (let u = 0; u < units; u += 1) slopes[l].bias[u] += back[u];
        for (let i = 0; i < inputs; i += 1) for (let u = 0; u < units; u += 1) {
          slopes[l].kernel[i * units + u] += reads[l][i] * back[u];
          below[i] += kernel[i * units + u] * back[u];
        }
        if (l > 0) back = below.map((g, i) => g * functions[l - 1][1](before[l - 1][i]));
      }
    });
    return { loss: mean, slopes };
  }

  /* One step of gradient descent, in place. Returns the loss before it. */
  function step(net, choice, points, labels, rate) {
    const { loss, slopes } = gradient(net, choice, points, labels);
    net.forEach((layer, l) => {
      for (let k = 0; k < layer.kernel.length; k += 1) layer.kernel[k] -= rate * slopes[l].kernel[k];
      for (let u = 0; u < layer.units; u += 1) layer.bias[u] -= rate * slopes[l].bias[u];
    });
    return loss;
  }

  /* The place of the largest; of equal ones the first, as argmax has it. */
  const largest = (values) => values.reduce((best, z, i) => (z > values[best] ? i : best), 0);

  /* Loss and accuracy over all points, and how many units of each hidden layer are dead, and which: their slope is zero at
     every point, so no gradient can move them. */
  function judge(net, choice, { points, labels }) {
    const functions = activations(choice);
    const alive = net.slice(0, -1).map((layer) => new Array(layer.units).fill(false));
    let loss = 0, right = 0;
    points.forEach((point, n) => {
      const { before, logits } = forward(net, functions, point);
      loss += crossEntropy(logits, labels[n]).loss / points.length;
      right += largest(logits) === labels[n];
      alive.forEach((units, l) => units.forEach((_, u) => { units[u] ||= functions[l][1](before[l][u]) !== 0; }));
    });
    const which = alive.map((units) => units.map((a) => !a));
    return { loss, accuracy: right / points.length, which, dead: which.map((units) => units.filter(Boolean).length) };
  }

  /* The order in which the points of an epoch are read: a shuffle that depends on seed and epoch alone. */
  function order(seed, epoch, count = POINTS) {
    const next = random(1000003 * (seed + 1) + epoch), places = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i -= 1) {
      const j = Math.floor(next() * (i + 1));
      [places[i], places[j]] = [places[j], places[i]];
    }
    return places;
  }

  /* Steps number `from` to before `to` of an epoch, of BATCH points each; without them, the whole epoch. */
  function epoch(net, choice, data, rate, seed, count, from = 0, to = data.points.length / BATCH) {
    const places = order(seed, count, data.points.length);
    for (let s = from; s < to; s += 1) {
      const batch = places.slice(s * BATCH, (s + 1) * BATCH);
      step(net, choice, batch.map((p) => data.points[p]), batch.map((p) => data.labels[p]), rate);
    }
  }

  /* Probability of class 1 at a point. */
  function probability(net, choice, point) {
    return crossEntropy(forward(net, activations(choice), point).logits, 0).probabilities[1];
  }

  globalThis.zooDense = {
    BATCH, FUNCTIONS, PLACEMENTS, POINTS, SETS, SIZES, TITLES, activations, crossEntropy, dataSet, epoch, forward, gradient, images, judge, largest, normal, order, probability, random, start, step,
  };
})();

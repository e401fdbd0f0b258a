/* A convolutional net that learns in the page: forward and backward through a graph of train-graphs.js, a batch at a time
   and in double precision. No framework, no network. Needs dense-net.js. A test compares each part with Keras.

   A graph is a list of operations {op, name, inputs: places in the list}, as `zoo.build` makes it. A value is
   {h, w, c, data} for a whole batch, image after image, channels last. A net is {ops, weights, moving}, each a dict from
   "name/kernel" to numbers as Keras lays them out. `choice` is {activation: the function, activated: which apply it}. */
(() => {
  "use strict";
  const dense = globalThis.zooDense;
  // Which activations apply the function, of all in the order of the graph. The others pass on what they get.
  const ACTIVATED = {
    none: () => false,
    first: (at) => at === 0,
    last: (at, count) => at === count - 1,
    all: () => true,
  };

  const values = (n, h, w, c) => ({ h, w, c, data: new Float64Array(n * h * w * c) });
  const like = (x) => ({ ...x, data: new Float64Array(x.data.length) });

  /* Where a window begins and how many there are: TensorFlow's rule for 'same' padding. */
  function windows(length, { size, strides, padding }) {
    if (padding === "valid") return { count: Math.floor((length - size) / strides) + 1, before: 0 };
    const count = Math.ceil(length / strides);
    return { count, before: Math.floor(Math.max((count - 1) * strides + size - length, 0) / 2) };
  }
  /* For each window of an image its pixels in order, -1 for those outside. */
  function reach(x, op) {
    const rows = windows(x.h, op), columns = windows(x.w, op), taps = op.size ** 2;
    const table = new Int32Array(rows.count * columns.count * taps).fill(-1);
    for (let r = 0; r < rows.count; r += 1) for (let c = 0; c < columns.count; c += 1) for (let t = 0; t < taps; t += 1) {
      const row = r * op.strides + Math.floor(t / op.size) - rows.before, column = c * op.strides + t % op.size - columns.before;
      if (row >= 0 && column >= 0 && row < x.h && column < x.w) table[(r * columns.count + c) * taps + t] = row * x.w + column;
    }
    return { h: rows.count, w: columns.count, taps, table };
  }
  const reached = new WeakMap(); // the windows of an operation are the same in every step
  function windowsOf(x, op) {
    if (!reached.has(op)) reached.set(op, reach(x, op));
    return reached.get(op);
  }

  /* Each operation takes its inputs and returns its value and `back(g, into)`: given the gradient g of the value, it adds to
     `into`, the gradients of its inputs, and to those of its weights. `at` is {n images, op, net, slopes, training, act}. */
  const OPERATIONS = {
    /* Windows are copied out, and the kernel is laid out filter by filter: long loops over neighbours are fast. */
    conv({ n, op, net, slopes }, [x]) {
      const { h, w, taps, table } = windowsOf(x, op), { filters } = op, { c } = x, reads = taps * c;
      const kernel = net.weights[`${op.name}/kernel`], bias = net.weights[`${op.name}/bias`];
      const y = values(n, h, w, filters), pixels = x.h * x.w, places = h * w;
      const byFilter = kernel.map((_, i) => kernel[i % reads * filters + Math.floor(i / reads)]), window = new Float64Array(reads);
      const copy = (b, p) => {
        for (let t = 0; t < taps; t += 1) {
          const pixel = table[p * taps + t], at = (b * pixels + pixel) * c;
          for (let m = 0; m < c; m += 1) window[t * c + m] = pixel < 0 ? 0 : x.data[at + m];
        }
      };
      for (let b = 0; b < n; b += 1) for (let p = 0; p < places; p += 1) {
        copy(b, p);
        for (let f = 0; f < filters; f += 1) {
          let sum = bias ? bias[f] : 0;
          for (let k = 0, i = f * reads; k < reads; k += 1, i += 1) sum += window[k] * byFilter[i];
          y.data[(b * places + p) * filters + f] = sum;
        }
      }
      return [y, ({ data: g }, [into]) => {
        const ofFilter = new Float64Array(kernel.length), ofBias = new Float64Array(filters), ofWindow = new Float64Array(reads);
        for (let b = 0; b < n; b += 1) for (let p = 0; p < places; p += 1) {
          copy(b, p);
          ofWindow.fill(0);
          for (let f = 0; f < filters; f += 1) {
            const back = g[(b * places + p) * filters + f];
            ofBias[f] += back;
            if (back !== 0) for (let k = 0, i = f * reads; k < reads; k += 1, i += 1) {
              ofFilter[i] += window[k] * back;
              ofWindow[k] += byFilter[i] * back;
            }
          }
          for (let t = 0; t < taps; t += 1) {
            const pixel = table[p * taps + t], at = (b * pixels + pixel) * c;
            if (pixel >= 0) for (let m = 0; m < c; m += 1) into.data[at + m] += ofWindow[t * c + m];
          }
        }
        slopes[`${op.name}/kernel`].forEach((_, i, all) => { all[i] = ofFilter[i % filters * reads + Math.floor(i / filters)]; });
        if (bias) slopes[`${op.name}/bias`].set(ofBias);
      }];
    },

    /* y = gamma (x - m) / sqrt(v + epsilon) + beta for each channel: mean and variance of the batch while it learns, the
       moving ones otherwise. */
    norm({ op, net, slopes, training }, [x]) {
      const [gamma, beta] = ["gamma", "beta"].map((name) => net.weights[`${op.name}/${name}`]);
      const moving = ["mean", "variance"].map((name) => net.moving[`${op.name}/moving_${name}`]);
      const { c, data } = x, count = data.length / c, y = like(x);
      let [mean, variance] = moving;
      if (training) {
        mean = new Float64Array(c);
        variance = new Float64Array(c);
        for (let i = 0; i < data.length; i += 1) mean[i % c] += data[i] / count;
        for (let i = 0; i < data.length; i += 1) variance[i % c] += (data[i] - mean[i % c]) ** 2 / count;
        [mean, variance].forEach((now, k) => { for (let m = 0; m < c; m += 1) moving[k][m] = op.momentum * moving[k][m] + (1 - op.momentum) * now[m]; });
      }
      const scale = variance.map((v) => 1 / Math.sqrt(v + op.epsilon));
      for (let i = 0; i < data.length; i += 1) y.data[i] = gamma[i % c] * (data[i] - mean[i % c]) * scale[i % c] + beta[i % c];
      return [y, ({ data: g }, [into]) => {
        const ofGamma = slopes[`${op.name}/gamma`], ofBeta = slopes[`${op.name}/beta`];
        const standard = (i) => (data[i] - mean[i % c]) * scale[i % c];
        for (let i = 0; i < g.length; i += 1) { ofGamma[i % c] += g[i] * standard(i); ofBeta[i % c] += g[i]; }
        for (let i = 0; i < g.length; i += 1) into.data[i] += gamma[i % c] * scale[i % c] * (g[i] - (ofBeta[i % c] + standard(i) * ofGamma[i % c]) / count);
      }];
    },

    act({ act: [value, slope] }, [x]) {
      const y = like(x), z = x.data;
      for (let i = 0; i < z.length; i += 1) y.data[i] = value(z[i]);
      return [y, ({ data: g }, [into]) => { for (let i = 0; i < g.length; i += 1) into.data[i] += g[i] * slope(z[i]); }];
    },

    /* The largest of each window; of equal ones the first gets the gradient. */
    pool({ n, op }, [x]) {
      const { h, w, taps, table } = windowsOf(x, op), y = values(n, h, w, x.c), winners = new Int32Array(y.data.length);
      for (let b = 0; b < n; b += 1) for (let p = 0; p < h * w; p += 1) for (let m = 0; m < x.c; m += 1) {
        const pixel = (t) => (b * x.h * x.w + table[p * taps + t]) * x.c + m, out = (b * h * w + p) * x.c + m;
        let best = pixel(0);
        for (let t = 1; t < taps; t += 1) if (x.data[pixel(t)] > x.data[best]) best = pixel(t);
        winners[out] = best;
        y.data[out] = x.data[best];
      }
      return [y, ({ data: g }, [into]) => { for (let i = 0; i < g.length; i += 1) into.data[winners[i]] += g[i]; }];
    },

    /* Zeros round the image and round the channels. */
    pad({ n, op }, [x]) {
      const [[top, bottom], [left, right], [front, rear]] = op.padding, y = values(n, x.h + top + bottom, x.w + left + right, x.c + front + rear);
      const each = (visit) => {
        for (let p = 0; p < n * x.h * x.w; p += 1) {
          const column = p % x.w, line = (p - column) / x.w, row = line % x.h, b = (line - row) / x.h;
          const out = ((b * y.h + row + top) * y.w + column + left) * y.c + front;
          for (let m = 0; m < x.c; m += 1) visit(p * x.c + m, out + m);
        }
      };
      each((i, out) => { y.data[out] = x.data[i]; });
      return [y, ({ data: g }, [into]) => each((i, out) => { into.data[i] += g[out]; })];
    },

    /* The mean of each map. */
    mean({ n }, [x]) {
      const y = values(n, 1, 1, x.c), places = x.h * x.w;
      const out = (i) => Math.floor(i / (places * x.c)) * x.c + i % x.c;
      for (let i = 0; i < x.data.length; i += 1) y.data[out(i)] += x.data[i] / places;
      return [y, ({ data: g }, [into]) => { for (let i = 0; i < into.data.length; i += 1) into.data[i] += g[out(i)] / places; }];
    },

    flatten(_, [x]) {
      return [{ h: 1, w: 1, c: x.h * x.w * x.c, data: x.data }, ({ data: g }, [into]) => { for (let i = 0; i < g.length; i += 1) into.data[i] += g[i]; }];
    },

    add(_, inputs) {
      const y = like(inputs[0]);
      for (const { data } of inputs) for (let i = 0; i < data.length; i += 1) y.data[i] += data[i];
      return [y, ({ data: g }, into) => { for (const { data } of into) for (let i = 0; i < g.length; i += 1) data[i] += g[i]; }];
    },
  };
  // A dense layer is a convolution of a map of one pixel.
  OPERATIONS.dense = OPERATIONS.conv;

  /* The first weights, as the initialisers of the graph draw them; the same for the same seed. */
  function start(ops, seed) {
    const next = dense.random(seed), net = { ops, weights: {}, moving: {} };
    const draw = {
      zeros: () => 0,
      ones: () => 1,
      uniform: (spread) => spread * (2 * next() - 1),
      untruncated_normal: (spread) => spread * dense.normal(next),
      truncated_normal: (spread) => { // drawn again beyond two standard deviations
        let z;
        do z = dense.normal(next); while (Math.abs(z) > 2);
        return spread * z;
      },
    };
    for (const op of ops) for (const [name, [length, distribution, spread]] of Object.entries(op.weights ?? {})) {
      const kind = name.startsWith("moving") ? net.moving : net.weights;
      kind[`${op.name}/${name}`] = Float64Array.from({ length }, () => draw[distribution](spread));
    }
    return net;
  }

  /* The places in the graph of all activations, of those that apply the function, and [value, slope] of each. */
  const sites = (ops) => ops.flatMap(({ op }, at) => (op === "act" ? [at] : []));
  function applied(ops, { activated }) {
    if (!Object.hasOwn(ACTIVATED, activated)) throw new Error(`unknown activated ${activated}; known: ${Object.keys(ACTIVATED).join(", ")}`);
    return sites(ops).filter((_, at, { length }) => ACTIVATED[activated](at, length));
  }
  function functions(ops, choice) {
    const table = dense.FUNCTIONS, { activation } = choice, used = new Set(applied(ops, choice));
    if (!Object.hasOwn(table, activation)) throw new Error(`unknown activation ${activation}; known: ${Object.keys(table).join(", ")}`);
    return new Map(sites(ops).map((place) => [place, table[used.has(place) ? activation : "linear"]]));
  }

  /* Forward: the value of every operation, and its way back. `points` are square images of one channel. */
  function run(net, choice, points, { training = false, slopes = {} } = {}) {
    const n = points.length, side = Math.sqrt(points[0].length), acts = functions(net.ops, choice), done = [];
    net.ops.forEach((op, place) => {
      if (op.op === "input") {
        const image = values(n, side, side, 1);
        points.forEach((point, b) => image.data.set(point, b * side * side));
        done.push([image, () => {}]);
      } else done.push(OPERATIONS[op.op]({ n, op, net, slopes, training, act: acts.get(place) }, op.inputs.map((i) => done[i][0])));
    });
    const logits = done.at(-1)[0], row = (b) => logits.data.subarray(b * logits.c, (b + 1) * logits.c);
    return { values: done.map(([y]) => y), backs: done.map(([, back]) => back), logits: points.map((_, b) => row(b)) };
  }

  /* Mean loss over the points, and its gradient in the shape of the weights. Normalises by these points, as a step does, and
     moves the moving statistics. */
  function gradient(net, choice, points, labels) {
    const slopes = Object.fromEntries(Object.entries(net.weights).map(([name, { length }]) => [name, new Float64Array(length)]));
    const { values: done, backs, logits } = run(net, choice, points, { training: true, slopes });
    const into = done.map(like);
    let loss = 0;
    logits.forEach((scores, b) => {
      const one = dense.crossEntropy(scores, labels[b]);
      loss += one.loss / points.length;
      into.at(-1).data.set(one.probabilities.map((p, u) => (p - (u === labels[b] ? 1 : 0)) / points.length), b * scores.length);
    });
    for (let place = net.ops.length - 1; place > 0; place -= 1) backs[place](into[place], net.ops[place].inputs.map((i) => into[i]));
    return { loss, slopes, logits };
  }

  /* One step of gradient descent, in place. Returns the loss before it. */
  function step(net, choice, points, labels, rate) {
    const { loss, slopes } = gradient(net, choice, points, labels);
    for (const [name, weights] of Object.entries(net.weights)) for (let k = 0; k < weights.length; k += 1) weights[k] -= rate * slopes[name][k];
    return loss;
  }

  /* Step number `count` of an epoch, with BATCH points in the order that seed and epoch give. Returns its loss. */
  function stepOf(net, choice, data, rate, seed, epoch, count) {
    const batch = dense.order(seed, epoch, data.points.length).slice(count * dense.BATCH, (count + 1) * dense.BATCH);
    return step(net, choice, batch.map((p) => data.points[p]), batch.map((p) => data.labels[p]), rate);
  }

  /* Without learning: loss and accuracy, and of each activation that is applied the share of zeros that it gives and how many
     of its channels are dead: their slope is zero everywhere in every image, so no gradient can move them. */
  function judge(net, choice, { points, labels }) {
    const { values: done, logits } = run(net, choice, points);
    let loss = 0, right = 0;
    logits.forEach((scores, b) => {
      loss += dense.crossEntropy(scores, labels[b]).loss / points.length;
      right += dense.largest(scores) === labels[b];
    });
    const table = functions(net.ops, choice);
    const found = applied(net.ops, choice).map((place) => {
      const [, slope] = table.get(place);
      const { c: units, data } = done[place], before = done[net.ops[place].inputs[0]].data, alive = new Array(units).fill(false);
      let zeros = 0;
      for (let i = 0; i < data.length; i += 1) {
        zeros += data[i] === 0;
        alive[i % units] ||= slope(before[i]) !== 0;
      }
      return { site: net.ops[place].name, zeros: zeros / data.length, dead: alive.filter((a) => !a).length, units };
    });
    return { loss, accuracy: right / points.length, sites: found };
  }

  globalThis.zooConv = { ACTIVATED, applied, functions, gradient, judge, run, sites, start, step, stepOf };
})();

/** Networks as dashboard/weights.py describes them: layers in order, each `{op: …}`. */

export const sigmoid = (value) => 1 / (1 + Math.exp(-value));

const ACTIVATIONS = {
  relu: (value) => (value > 0 ? value : 0),
  tanh: Math.tanh,
  silu: (value) => value * sigmoid(value),
};

/** The layers of a description with the weights that it names. */
export function build(network, arrays) {
  return network.map((layer) =>
    layer.op === "linear"
      ? { ...layer, weight: arrays[layer.weight], bias: layer.bias ? arrays[layer.bias] : null }
      : layer,
  );
}

/** The output of a network. */
export function run(network, x) {
  let values = x;
  for (const layer of network) {
    if (layer.op === "linear") values = linear(layer, values);
    else values = values.map(ACTIVATIONS[layer.op]);
  }
  return values;
}

/** y = W x + b. */
function linear(layer, x) {
  const { weight, bias, inputs, outputs } = layer;
  const y = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let sum = bias ? bias[o] : 0;
    const row = o * inputs;
    for (let i = 0; i < inputs; i++) sum += weight[row + i] * x[i];
    y[o] = sum;
  }
  return y;
}

// The peer of tests/bench/run for forward passes: ONNX Runtime's times, all its graph optimisations on. Reads one request a line
// and answers it with one line, the median in ms; between requests it sleeps, so that the other side has the machine for itself.
//
//     versions
//     forward MODEL.onnx SAMPLES RUNS THREADS
const readline = require('readline');
const ort = require('onnxruntime-node');

let key = null, session = null, feeds = null;

async function prepare(model, samples, threads) {
  session = null;
  session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all'});
  const values = new Float32Array(samples * 3 * 224 * 224).map(() => Math.random());
  feeds = {x: new ort.Tensor('float32', values, [samples, 3, 224, 224])};
}

async function forward(model, samples, runs, threads) {
  const wanted = [model, samples, threads].join(' ');
  if (key !== wanted) await prepare(model, samples, threads);
  key = wanted;
  await session.run(feeds); // after the other side's turn the caches are cold
  const times = [];
  for (let i = 0; i < runs; i++) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  times.sort((a, b) => a - b);
  const half = runs >> 1;
  return (runs % 2 ? times[half] : (times[half - 1] + times[half]) / 2).toFixed(3);
}

(async () => {
  for await (const line of readline.createInterface({input: process.stdin})) {
    const [kind, model, ...numbers] = line.trim().split(/\s+/);
    if (kind === 'versions') console.log('ONNX Runtime ' + require('onnxruntime-node/package.json').version);
    else console.log(await forward(model, ...numbers.map(Number)));
  }
})();

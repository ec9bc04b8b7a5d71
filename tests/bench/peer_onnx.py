"""The peer of tests/bench/run for forward passes: ONNX Runtime's times, all its graph optimisations on. Reads one request a line
and answers it with one line, the median in ms; between requests it sleeps, so that the other side has the machine for itself.

    versions
    forward MODEL.onnx SAMPLES RUNS THREADS
"""
import statistics
import sys
import time

import numpy
import onnxruntime


def prepare(model, samples, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = numpy.random.rand(samples, 3, 224, 224).astype("float32")
    return lambda: session.run(None, {"x": x})


def median_ms(work, runs):
    work()  # after the other side's turn the caches are cold
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


prepared = work = None
for line in sys.stdin:
    kind, *words = line.split()
    if kind == "versions":
        print("ONNX Runtime " + onnxruntime.__version__, flush=True)
        continue
    model, (samples, runs, threads) = words[0], map(int, words[1:])
    if prepared != (model, samples, threads):
        work = prepare(model, samples, threads)
        prepared = (model, samples, threads)
    print("%.3f" % median_ms(work, runs), flush=True)

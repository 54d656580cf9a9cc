-- Tells wrk's results as one line of JSON; latencies in microseconds.
done = function (summary, latency, requests)
  io.write(string.format(
    '\n{"requests":%d,"us":%d,"p50":%d,"p99":%d,"max":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    summary.errors.connect, summary.errors.read, summary.errors.write, summary.errors.status, summary.errors.timeout))
end

-- For wrk: posts the events of the file named by EVENTS, one a request, round and round.
local requests = {}
local at = 0

function init()
  for line in io.lines(os.getenv("EVENTS")) do
    requests[#requests + 1] = wrk.format("POST", "/predict", { ["Content-Type"] = "application/json" }, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("requests_per_s %.0f", summary.requests / summary.duration * 1e6))
  print(string.format("p50_ms %.3f", latency:percentile(50) / 1000))
  print(string.format("p99_ms %.3f", latency:percentile(99) / 1000))
  print(string.format("p999_ms %.3f", latency:percentile(99.9) / 1000))
  print(string.format("max_ms %.3f", latency.max / 1000))
  print(string.format("errors %d", errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end

-- wrk: signed requests from a file, one after another, and the result on one line.
local headers, at = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local timestamp, name, signature = line:match("^(%S+) (%S+) (%S+)$")
        headers[#headers + 1] = wrk.format("GET", arguments[2], {
            ["Host"] = "127.0.0.1",
            ["x-ncp-apigw-timestamp"] = timestamp,
            ["x-ncp-iam-access-key"] = name,
            ["x-ncp-apigw-signature-v2"] = signature,
        })
    end
end

function request()
    at = at % #headers + 1
    return headers[at]
end

function done(summary, latency, requests)
    io.write(string.format("RESULT %d %d %f %f %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status))
end
